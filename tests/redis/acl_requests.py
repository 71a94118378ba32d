"""The conversations about users that both servers get, as in requests.py. Each names users of its own, since all
run side by side."""

ALL = ["on", "nopass", "~*", "+@all"]


def transaction(user, *commands, rules=()):
    """Of a user of its own."""
    return [["acl", "setuser", user, *ALL, *rules], ["auth", user, "x"], ["multi"], *commands, ["exec"], ["ping"]]


CONVERSATIONS = [
    # EXEC looks at the rights again.
    transaction("exec1", ["acl", "setuser", "exec1", "-exists"], ["exists", "a"], ["type", "a"]),
    transaction("exec2", ["acl", "setuser", "exec2", "resetkeys", "~b"], ["exists", "a"], ["exists", "b"]),
    transaction("exec3", ["auth", "exec3", "x"], ["acl", "setuser", "exec3", "-client|id"], ["client", "id"],
                ["client", "getname"]),
    # What ends the connection does so in a transaction too.
    transaction("exec4", ["client", "kill", "user", "exec4", "skipme", "no"], ["ping"]),
    transaction("exec5", ["acl", "deluser", "exec5"], ["ping"]),
    [["acl", "setuser", "gone", *ALL], ["auth", "gone", "x"], ["acl", "deluser", "gone", "nobody"], ["ping"]],
    # What a file could not hold is refused.
    *[[["acl", "setuser", f"file{number}", rule], ["acl", "getuser", f"file{number}"]] for number, rule in enumerate((
        "~a b", "%R~a b", "&a b", "~a\nuser evil on nopass +@all", "~", "%~a", "%X~a", "nonsense", "#abc",
        "!abc", "#" + "A" * 64, "!" + "a" * 64, "+nosuch", "+@nosuch", "-client|nosuch", "clearselectors"))],
    # Rules are shown as they count.
    *[[["acl", "setuser", f"rules{number}", *rules.split()], ["acl", "getuser", f"rules{number}"]]
      for number, rules in enumerate((
          "+client|id +client", "+@all -config|set -config", "+GET -@ALL +@Hash", "+get +getx",
          ">x >x on <x", "nopass >x", "~a ~*", "%RW~a %R~b %W~c ~d ~d",
          "allkeys ~*", "allkeys ~a"))],
    [["acl", "dryrun", "default", "client"]],
    [["acl", "dryrun", "default", "nosuch"]],
    [["acl", "dryrun", "nobody", "get", "a"]],
    [["acl", "dryrun", "default", "acl", "whoami", "x"]],
    *[[["acl", *words.split()]] for words in (
        "cat nosuch", "cat a b", "genpass 0", "genpass 5000", "genpass x", "genpass 1 2", "log x", "log 1 2",
        "deluser default", "deluser nobody", "getuser nobody", "nosuch", "whoami x", "setuser", "dryrun default")],
]
