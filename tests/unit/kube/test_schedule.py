from knet.kube.schedule import Schedule


def test_a_key_that_fails_waits_twice_as_long_each_time_and_forgets_it_when_it_succeeds():
    schedule: Schedule[str] = Schedule(first=1, longest=8)
    schedule.add("a", 0)
    now = 0.0
    for pause in (1, 2, 4, 8, 8):
        assert schedule.take(now) == "a"
        schedule.done("a", now, failed=True)
        assert schedule.next_at() == now + pause
        assert schedule.take(now + pause - 0.1) is None
        now += pause
    assert schedule.take(now) == "a"
    schedule.done("a", now)
    schedule.add("a", now)
    assert schedule.take(now) == "a"
    schedule.done("a", now, failed=True)
    assert schedule.next_at() == now + 1


def test_what_is_added_while_it_is_worked_on_comes_once_more():
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 0)
    assert schedule.take(0) == "a"
    schedule.add("a", 0)
    schedule.add("a", 0)
    assert schedule.take(0) is None
    schedule.done("a", 0)
    assert schedule.take(0) == "a"
    schedule.done("a", 0)
    assert schedule.idle


def test_the_earlier_wish_counts():
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 10)
    schedule.add("a", 5)
    schedule.add("a", 20)
    assert schedule.next_at() == 5
    assert schedule.take(5) == "a"
    schedule.done("a", 5, again=2)
    assert schedule.next_at() == 7
