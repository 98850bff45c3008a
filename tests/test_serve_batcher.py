from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from earmark.recognizer import Recognizer, as_dict
from earmark.recognizer.prediction import SILENT
from earmark.recognizer.windows import WindowBatch
from earmark.serve.event_loop_batcher import EventLoopBatcher
from tiny import save_tiny, tiny_card, tone

OPTIONS = {"top": 1}


class HeldSession:
    """Answers as a real session does, but only when it is told to."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer, self.held = recognizer, []

    def submit(self, outputs, feed):
        future: Future = Future()
        self.held.append((outputs, feed, future))
        return future

    def release(self) -> int:
        """Compute the oldest batch and return its number of windows."""
        outputs, feed, future = self.held.pop(0)
        if len(feed["samples"]) > 1 and np.abs(feed["samples"]).max() > 0.95:
            future.set_exception(RuntimeError("too many"))
        elif np.abs(feed["samples"]).max() > 0.95:
            future.set_exception(RuntimeError("too loud"))
        else:
            future.set_result(self.recognizer.network.session.run(list(outputs), feed))
        return len(feed["samples"])


@pytest.fixture(scope="module")
def ears(tmp_path_factory):
    return Recognizer.load(save_tiny(tmp_path_factory.mktemp("together") / "ears.onnx", tiny_card(temperature=40.0)))


def cuts(ears, samples: np.ndarray) -> WindowBatch:
    return WindowBatch.joined(ears.cut(samples, sample_rate_hz=22050))


def is_answer(answer: dict, ears, samples: np.ndarray, name: str) -> bool:
    expected = as_dict(ears.predict(samples, sample_rate_hz=22050, name=name, **OPTIONS))
    confidence = expected.pop("confidence")
    expected.pop("top")
    return answer["confidence"] == pytest.approx(confidence, abs=1e-5) and expected.items() <= answer.items()


def in_a_loop(run) -> None:
    """Run a coroutine function in a thread, because the tests of the page leave a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(run())).result()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_waits_goes_together_and_in_its_own_shape(ears):
    async def run() -> None:
        session = HeldSession(ears)
        together = EventLoopBatcher(ears, session)
        sounds = [tone(hz=440 + 30 * i) for i in range(7)]
        sounds[4] = np.concatenate([tone(hz=500), tone(hz=520)])  # several windows of the same length
        sounds[5] = tone(seconds=0.7)  # one of another
        answers = [together.answer(cuts(ears, sound), str(i), OPTIONS) for i, sound in enumerate(sounds)]
        # One is computed and one is ready to follow; the rest wait.
        assert [len(feed["samples"]) for _, feed, _ in session.held] == [1, 1]
        assert session.release() == 1
        await settle()
        assert not answers[1].done()
        together.answer(cuts(ears, tone(hz=600)), "late", OPTIONS)
        session.release()
        await settle()
        n_windows = []
        while session.held:
            n_windows.append(session.release())
            await settle()
        # Four that wait and are of one shape, then the one of another, then who came later.
        assert n_windows == [3 + len(cuts(ears, sounds[4]).weights), 1, 1]
        for i, (sound, answer) in enumerate(zip(sounds, answers, strict=True)):
            assert is_answer(answer.result(), ears, sound, str(i))

    in_a_loop(run)


def test_no_batch_is_too_large_and_no_shape_waits_for_ever(ears):
    async def run() -> None:
        session = HeldSession(ears)
        together = EventLoopBatcher(ears, session)
        long, short = cuts(ears, np.concatenate([tone(), tone()])), cuts(ears, tone(seconds=0.7))
        each = len(long.weights)
        answers = [together.answer(long, "long", OPTIONS) for _ in range(60)]
        answers.append(together.answer(short, "short", OPTIONS))
        sizes = []
        while session.held:
            sizes.append(session.release())
            await settle()
        together_at_most = (1 << 20) // long.batch.size * each  # 64 windows would be more numbers than a cache holds
        assert sizes == [each, each, together_at_most, 1, *_rest((60 - 2) * each - together_at_most, together_at_most)]
        assert all(answer.done() for answer in answers)

    in_a_loop(run)


def _rest(n_windows: int, most: int) -> list[int]:
    return [min(most, n_windows - begun) for begun in range(0, n_windows, most)]


def test_silence_needs_no_network(ears):
    async def run() -> None:
        session = HeldSession(ears)
        answer = EventLoopBatcher(ears, session).answer(cuts(ears, np.zeros(22050, np.float32)), "nothing", OPTIONS)
        assert (answer.result()["reason"], session.held) == (SILENT, [])

    in_a_loop(run)


def test_what_goes_wrong_after_the_network_is_told_to_who_asked(ears):
    async def run() -> None:
        session = HeldSession(ears)
        together = EventLoopBatcher(ears, session)
        answers = [
            together.answer(cuts(ears, tone()), "x", options) for options in (OPTIONS, OPTIONS, {"no": 1}, OPTIONS)
        ]
        while session.held:
            session.release()
            await settle()
        assert [answer.exception() is None for answer in answers] == [True, True, False, True]
        silent = together.answer(cuts(ears, np.zeros(22050, np.float32)), "x", {"no": 1})
        assert isinstance(silent.exception(), TypeError)

    in_a_loop(run)


def test_who_is_at_fault_fails_alone_and_who_went_away_is_forgotten(ears):
    async def run() -> None:
        session = HeldSession(ears)
        together = EventLoopBatcher(ears, session)
        first = [together.answer(cuts(ears, tone(hz=440)), "first", OPTIONS) for _ in range(2)]
        good, gone = (together.answer(cuts(ears, tone(hz=f_hz)), "good", OPTIONS) for f_hz in (450, 460))
        bad = together.answer(cuts(ears, np.float32(1.0) * np.sign(tone(hz=300))), "bad", OPTIONS)
        gone.cancel()
        while session.held:
            session.release()
            await settle()
        assert [answer.result()["input"] for answer in first] == ["first", "first"]
        assert is_answer(good.result(), ears, tone(hz=450), "good")
        with pytest.raises(RuntimeError, match="too loud"):
            bad.result()
        assert gone.cancelled()

    in_a_loop(run)
