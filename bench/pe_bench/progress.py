# SPDX-License-Identifier: Apache-2.0
"""Progress with the time left, on stderr."""
import sys
import time


def duration_text(seconds):
    """A time that people read: "40 s", "3 min 20 s", "2 h 5 min"."""
    seconds = int(seconds + 0.5)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


class Progress:
    """Tells how far a run is. Each step has a weight: how long it is expected to take, relative to
    the others, or in seconds. The first estimate needs seconds; later ones use how long the earlier
    steps took.
    """

    def __init__(self, stream=sys.stderr):
        self.stream, self.left, self.total, self.done, self.took = stream, {}, 0, 0, 0.0
        self.weight_done = 0.0

    def plan(self, weights):
        """`weights` has the weight of each step that is still to be done, by name."""
        self.left, self.total = dict(weights), len(weights) + self.done

    def seconds_left(self):
        """None before the first step has ended."""
        if not self.weight_done:
            return None
        return sum(self.left.values()) * self.took / self.weight_done

    def begin(self, name):
        left = self.seconds_left()
        text = f"step {self.done + 1} of {self.total}: {name}"
        self.say(text if left is None else f"{text}; about {duration_text(left)} left")

    def end(self, name, seconds):
        self.weight_done += self.left.pop(name, 1)
        self.took += seconds
        self.done += 1

    def say(self, text):
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=self.stream, flush=True)
