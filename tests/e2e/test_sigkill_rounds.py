"""Rounds of SIGKILL at random moments under pipelined load, every reply recorded (SPEC section 1).

ND_SEED repeats a run, ND_ROUNDS sets its length: 12 by default, 200 with ND_LONG=1.
"""

import os
import signal

import pytest

from harness.ledger import DURABLE, STRATEGIES, Ledger
from harness.resp import Closed
from harness.storm import Storm

ROUNDS = int(os.environ.get("ND_ROUNDS", "12"))
LONG_ROUNDS = int(os.environ.get("ND_ROUNDS", "200"))
CONNECTIONS = 8


def rounds_of_sigkill(server, chance, rounds):
    with server.connect() as client:
        storm = Storm(client, STRATEGIES)
        storm.check(client)
    for _ in range(rounds):
        # From the very first replies to well past the time when the windows have opened.
        replies = int(10 ** chance.uniform(0, 4.7))
        storm.rage(server, CONNECTIONS, replies)
        server.start()
        with server.connect() as client:
            storm.check(client)
    for dispenser in storm.dispensers:
        assert dispenser.strategy == "memory" or dispenser.received > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_sigkill_under_load_repeats_and_wastes_nothing(start, chance, threads):
    rounds_of_sigkill(start("--threads", threads), chance, ROUNDS)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_many_sigkills_under_load_repeat_and_waste_nothing(start, chance, threads):
    rounds_of_sigkill(start("--threads", threads), chance, LONG_ROUNDS)


def test_sigkills_and_clean_stops_in_any_order_repeat_and_waste_nothing(start, chance):
    server = start("--threads", 2)
    with server.connect() as client:
        storm = Storm(client, STRATEGIES)
    for _ in range(ROUNDS):
        end = chance.choice((signal.SIGKILL, signal.SIGTERM))
        storm.rage(server, CONNECTIONS, chance.randrange(1, 10_000), end)
        server.start()
        with server.connect() as client:
            storm.check(client)


def test_sigkill_while_starting_or_stopping_wastes_nothing(start, chance):
    server = start()
    with server.connect() as client:
        ledgers = [Ledger(strategy, strategy).define(client) for strategy in DURABLE]
    for _ in range(ROUNDS):
        with server.connect() as client:
            for ledger in ledgers:
                ledger.draw(client, chance.randrange(300))
        if chance.random() < 0.5:
            server.process.send_signal(signal.SIGTERM)
        kill_after(server, chance.uniform(0, 0.03))
        for _ in range(chance.randrange(1, 4)):
            kill_after(server.spawn(), chance.uniform(0, 0.05))
        server.start()
        with server.connect() as client:
            for ledger in ledgers:
                ledger.check_exact(client)


def kill_after(server, seconds):
    """SIGKILL after a while, or sooner if the server ends by itself."""
    try:
        server.process.wait(seconds)
    except Exception:  # noqa: BLE001
        pass
    server.kill9()


def test_definitions_answered_before_a_sigkill_are_there_after_it(start, chance):
    """HSET and DEL from one connection, killed at a random reply: what was answered holds."""
    server = start()
    known, number = {}, 0
    for _ in range(ROUNDS):
        number = change_definitions(server, known, number, chance)
        server.start()
        with server.connect() as client:
            for name, exists in known.items():
                assert client.command("EXISTS", name) == exists, name
        known = {name: exists for name, exists in known.items() if exists}


def change_definitions(server, known, number, chance):
    """Defines and deletes until the SIGKILL; `known` gets what was answered."""
    kill_at = number + chance.randrange(1, 60)
    with server.connect() as client:
        try:
            while True:
                number += 1
                if number == kill_at:
                    server.process.kill()
                living = [name for name, exists in known.items() if exists]
                if living and chance.random() < 0.4:
                    name = chance.choice(living)
                    del known[name]  # Until it is answered, either is right.
                    assert client.command("DEL", name) == 1
                    known[name] = 0
                else:
                    name = f"name-{number}"
                    assert client.command("HSET", name, "type", 2, "length", 9) == 2
                    known[name] = 1
        except (Closed, OSError):
            server.kill9()
    return number
