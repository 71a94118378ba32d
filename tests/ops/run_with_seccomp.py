#!/usr/bin/python3
"""Runs a program under a profile in Docker's JSON format, as a container runtime would.

Usage: run_with_seccomp.py PROFILE PROGRAM [ARGUMENT]...
"""

import json
import os
import sys

import seccomp

COMPARISONS = {
    "SCMP_CMP_NE": seccomp.NE,
    "SCMP_CMP_LT": seccomp.LT,
    "SCMP_CMP_LE": seccomp.LE,
    "SCMP_CMP_EQ": seccomp.EQ,
    "SCMP_CMP_GE": seccomp.GE,
    "SCMP_CMP_GT": seccomp.GT,
    "SCMP_CMP_MASKED_EQ": seccomp.MASKED_EQ,
}


def action(name, errno):
    if name == "SCMP_ACT_ERRNO":
        return seccomp.ERRNO(errno)
    return {"SCMP_ACT_ALLOW": seccomp.ALLOW}[name]


def condition(argument):
    operation = COMPARISONS[argument["op"]]
    if operation == seccomp.MASKED_EQ:
        return seccomp.Arg(argument["index"], operation, argument["value"], argument["valueTwo"])
    return seccomp.Arg(argument["index"], operation, argument["value"])


def known_here(name):
    """Runtimes skip names that the machine's architecture does not have."""
    try:
        return seccomp.resolve_syscall(seccomp.Arch(), name) >= 0
    except RuntimeError:
        return False


def make_filter(profile):
    result = seccomp.SyscallFilter(action(profile["defaultAction"], profile["defaultErrnoRet"]))
    for rule in profile["syscalls"]:
        todo = action(rule["action"], rule.get("errnoRet", profile["defaultErrnoRet"]))
        conditions = [condition(argument) for argument in rule.get("args", [])]
        for name in filter(known_here, rule["names"]):
            result.add_rule(todo, name, *conditions)
    return result


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        profile = json.load(file)
    make_filter(profile).load()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
