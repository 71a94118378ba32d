"""Requests for a state of the server of their own: locked, monitored, recorded. As in requests.py."""

from requests import MISSING, raw

# With a password set, before AUTH.
LOCKED = [
    [["ping"]],
    [["get", "a"]],
    [["hset", "a", "type", "3"]],
    [["foo"]],
    [["echo"]],
    [["hello"]],
    [["hello", "3"]],
    [["hello", "3", "auth", "default", "wrong"]],
    [["hello", "2", "auth", "nobody", "secret"]],
    [["auth", "wrong"]],
    [["auth", "default", "wrong"]],
    [["auth", "nobody", "secret"]],
    [["auth", "secret"], ["ping"]],
    [["monitor"]],
    [["client", "list"]],
    [["client", "kill", "1.2.3.4:5"]],
    [["client", "reply", "off"]],
    [["auth", "default", "secret"], ["ping"]],
    [["multi"]],
    [["quit"]],
    [["reset"], ["ping"]],
    [["auth", "secret"], ["reset"], ["ping"]],
    [["client", "setname", "x"]],
    [["command", "count"]],
    [["auth"]],
    [["auth", "a", "b", "c"]],
    [raw("*11\r\n")],
    [raw("*10\r\n$4\r\nping\r\n")],
    [raw("*2\r\n$4\r\nAUTH\r\n$16385\r\n")],
    [raw("PING\r\n")],
]

# On one connection, while another monitors: what is shown of them.
MONITORED = [
    ["ping"], ["PING", "a b\"\\\n\r\t\a\b\x00\x7f\xff"], ["foo", "bar"], ["get"], ["exists", MISSING],
    ["config", "get", "port"], ["config", "set", "requirepass", ""], ["auth", "x"], ["auth", "default", "x"],
    ["auth", "nobody", "x"], ["hello", "2", "auth", "default", "x", "setname", "me"], ["hello", "2", "setname", "auth"],
    ["acl", "setuser", "bob", ">x"], ["acl", "whoami"], ["client", "list"], ["client", "id"], ["client", "reply", "skip"],
    ["ping"], ["client", "pause", "0"], ["client", "unblock", "1"], ["client", "no-evict", "off"], ["multi"], ["ping"],
    ["exists", MISSING], ["auth", "default", "x"], ["monitor"], ["exec"], ["multi"], ["ping"], ["discard"], ["watch"],
    ["save"], ["shutdown", "foo"], ["select", "0"], ["select", "x"], ["reset"], ["quit"],
]
# By the monitor itself.
BY_A_MONITOR = [
    ["monitor"], ["ping"], ["exists", MISSING], ["dbsize"], ["hset", "a", "type", "3"], ["foo"], ["multi"], ["dbsize"],
    ["exec"], ["client", "reply", "off"], ["ping"], ["client", "reply", "on"], ["reset"], ["dbsize"], ["monitor"],
    ["quit"],
]

# Recorded by both with what each was told to keep secret; the times and addresses are each server's own.
SECRETS = [["auth", "hunter2"], ["auth", "default", "hunter2"], ["hello", "2", "auth", "default", "hunter2"],
           ["hello", "2", "setname", "auth", "auth", "default", "hunter2"], ["acl", "setuser", "bob", "on", ">hunter2"],
           ["config", "set", "slowlog-max-len", "64", "requirepass", ""],
           ["config", "set", "masterauth", "hunter2", "MasterUser", "hunter2", "nosuch", "1"], ["echo", "x" * 200], ["exists"] + ["y"] * 40]
