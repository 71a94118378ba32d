"""The five strategies through stops and crashes: promise, budget and figures (SPEC 1 to 3)."""

import pytest

from harness.ledger import DURABLE, STRATEGIES, Ledger
from harness.resp import Error
from harness.waiting import wait_for

SHAPES = {"plain": {}, "stepped": {"starting": 1000, "step": 7}, "padded": {"length": 9, "step": 3}}


@pytest.fixture(name="server", params=[1, 2], ids=["one loop", "two loops"])
def server_fixture(request, start):
    return start("--threads", request.param)


def define_all(server, strategy):
    """A dispenser of every shape with this strategy."""
    with server.connect() as client:
        return [
            Ledger(f"{strategy}-{shape}", strategy, **fields).define(client)
            for shape, fields in SHAPES.items()
        ]


def on(server, ledgers, method, *arguments):
    """Calls one method of every ledger on a new connection."""
    with server.connect() as client:
        for ledger in ledgers:
            getattr(ledger, method)(client, *arguments)


def resumes(server, ledgers):
    """Checks the state right after a restart that may waste nothing."""
    if ledgers[0].strategy == "memory":
        for ledger in ledgers:
            ledger.restart_memory()
    on(server, ledgers, "check_exact")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fresh_dispensers_waste_nothing(server, strategy):
    ledgers = define_all(server, strategy)
    on(server, ledgers, "check_exact")
    on(server, ledgers, "draw", 1)
    on(server, ledgers, "check_exact")
    on(server, ledgers, "draw", 3000)
    on(server, ledgers, "check_exact")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("way", ["restart", "crash"])
def test_a_clean_stop_and_a_sigkill_resume_exactly(server, strategy, way):
    ledgers = define_all(server, strategy)
    for count in (0, 1, 2, 500, 1, 0, 3):
        on(server, ledgers, "draw", count)
        getattr(server, way)()
        resumes(server, ledgers)
    on(server, ledgers, "draw", 10)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_lost_live_counters_stay_within_the_budget(server, strategy):
    ledgers = define_all(server, strategy)
    for count in (1, 20, 400, 5000):
        on(server, ledgers, "draw", count)
        server.lose_power()
        if strategy in ("memory", "elegant_close"):
            resumes(server, ledgers)
        else:
            on(server, ledgers, "check_budget")


@pytest.mark.parametrize("strategy", DURABLE)
def test_ten_power_cuts_in_a_row_stay_within_the_budget(start, strategy, chance):
    server = start()
    ledgers = define_all(server, strategy)
    for _ in range(10):
        on(server, ledgers, "draw", chance.choice((0, 1, 2, 5, 50, 2000)))
        server.lose_power()
        on(server, ledgers, "check_budget")
    on(server, ledgers, "draw", 100)
    on(server, ledgers, "check_budget")


@pytest.mark.parametrize("strategy", DURABLE)
def test_any_mixture_of_ends_keeps_the_promise(start, strategy, chance):
    server = start()
    ledgers = define_all(server, strategy)
    for _ in range(12):
        on(server, ledgers, "draw", chance.randrange(800))
        on(server, ledgers, "check_budget")
        getattr(server, chance.choice(("restart", "crash", "lose_power")))()
        on(server, ledgers, "check_budget")


def test_idle_dispensers_retract_to_their_exact_position(start, new_server):
    server = start()
    ledgers = define_all(server, "pre-checkpoint") + define_all(server, "pre_close")
    on(server, ledgers, "draw", 5000)

    def copy_without_live_counters_is_exact():
        """A server on a copy of the state file sees what a power cut at this moment would leave."""
        copy = new_server.adopt(server.copy()).start()
        try:
            on(copy, ledgers, "check_exact")
            return True
        except AssertionError:
            return False
        finally:
            copy.kill9()

    wait_for(copy_without_live_counters_is_exact, "the bounds to be retracted")
    on(server, ledgers, "draw", 2000)
    on(server, ledgers, "check_exact")
    server.lose_power()
    on(server, ledgers, "check_budget")


@pytest.mark.parametrize("before", STRATEGIES)
def test_a_strategy_switched_in_place_loses_and_repeats_nothing(start, before):
    server = start()
    ledgers = []
    with server.connect() as client:
        for after in STRATEGIES:
            ledger = Ledger(f"to-{after}", before).define(client)
            ledger.draw(client, 1500)
            assert client.command("HSET", ledger.name, "auto_disk", after) == 1
            ledger.strategy = after
            assert client.info(ledger.name)["auto_disk"] == after
            ledger.check_exact(client)
            ledger.draw(client, 300)
            ledger.check_exact(client)
            ledgers.append(ledger)
    server.crash()
    for ledger in ledgers:
        resumes(server, [ledger])
    on(server, ledgers, "draw", 100)


@pytest.mark.parametrize("before", STRATEGIES)
def test_a_switch_to_elegant_close_holds_from_its_answer_on(start, before):
    server = start()
    with server.connect() as client:
        ledger = Ledger("x", before).define(client)
        ledger.draw(client, 3000)
        assert client.command("HSET", "x", "auto_disk", "elegant_close") == 1
    server.lose_power()
    with server.connect() as client:
        ledger.check_exact(client)


def test_strategies_switched_under_load_lose_and_repeat_nothing(start, chance):
    server = start("--threads", 2)
    with server.connect() as client, server.connect() as switcher:
        ledger = Ledger("x", "memory").define(client)
        for _ in range(40):
            other = chance.choice(STRATEGIES)
            client.send(b"GET x\r\n" * 200)
            assert switcher.command("HSET", "x", "auto_disk", other) == 1
            for _ in range(200):
                ledger.received += 1
                ledger.last += 1
                assert client.read() == b"%d" % ledger.last
        switcher.command("HSET", "x", "auto_disk", "elegant_close")
        ledger.check_exact(client)
    server.lose_power()
    with server.connect() as client:
        ledger.check_exact(client)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_definitions_and_deletions_are_durable_when_answered(start, strategy):
    server = start()
    fields = ("type", 2, "length", 6, "starting", 10, "step", 5, "auto_disk", strategy)
    for number in range(5):
        with server.connect() as client:
            assert client.command("HSET", f"new-{number}", *fields) == 5
            if number:
                assert client.command("DEL", f"new-{number - 1}") == 1
        server.lose_power()
        with server.connect() as client:
            assert client.command("GET", f"new-{number}") == b"000010"
            assert client.info(f"new-{number}")["auto_disk"] == strategy
            if number:
                gone = client.command("GET", f"new-{number - 1}")
                assert gone == Error(b"ERR dispenser not found")


@pytest.mark.parametrize("strategy", DURABLE)
@pytest.mark.parametrize("end", ["restart", "crash", "lose_power"])
def test_an_exhausted_dispenser_stays_exhausted(start, strategy, end):
    server = start()
    exhausted = Error(b"ERR number range exhausted")
    seen = []
    with server.connect() as client:
        client.command("HSET", "x", "type", 2, "length", 2, "auto_disk", strategy)
        seen += client.pipeline([("GET", "x")] * 90)
    getattr(server, end)()
    with server.connect() as client:
        rest = client.pipeline([("GET", "x")] * 30)
        seen += [reply for reply in rest if reply != exhausted]
        assert rest[-1] == exhausted
    getattr(server, end)()
    with server.connect() as client:
        assert client.command("GET", "x") == exhausted
        info = client.info("x")
        assert int(info["generated"]) + int(info["wasted"]) == 100
    assert seen == sorted(set(seen)) and all(len(reply) == 2 for reply in seen)
    if end != "lose_power" or strategy == "elegant_close":
        assert len(seen) == 100


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_statistics_of_random_dispensers_follow_the_strategy(start, strategy):
    server = start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 1, "length", 6, "auto_disk", strategy)
        client.pipeline([("GET", "x")] * 500)
    for end in (server.restart, server.crash):
        end()
        with server.connect() as client:
            info = client.info("x")
            assert info["generated"] == ("0" if strategy == "memory" else "500")
            assert (info["wasted"], info["waste_rate"]) == ("0", "0.00%")
            assert client.command("GET", "x").isdigit()
            if strategy != "memory":
                client.command("DEL", "x")
                client.command("HSET", "x", "type", 1, "length", 6, "auto_disk", strategy)
                client.pipeline([("GET", "x")] * 500)
