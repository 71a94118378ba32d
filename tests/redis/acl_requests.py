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
]
