"""Debian's supervisord, started without waiting.

Under an emulated CPU two habits of supervisord cost every start and stop a second or two:

- It imports pkg_resources, which is most of its start-up, for one call that resolves "module:function". A stand-in
  does the same.
- It starts its programs only after the first poll for input has waited a whole second, and answers no signal while it
  polls, so a stop waits, too. Here the first poll returns at once, and a signal ends any poll.
- An answer to a call that waits for a program's end is looked at again only after the next poll. Here polls are short as
  long as such an answer is due.

Run with -I -S: nothing of the environment or of site-packages is looked at.
"""

import importlib
import os
import signal
import sys
import types

sys.path.append("/usr/lib/python3/dist-packages")


class EntryPoint:
    """The part of pkg_resources.EntryPoint that supervisor uses."""

    def __init__(self, module, function):
        self.module = module
        self.function = function

    @classmethod
    def parse(cls, text):
        module, _, function = text.partition("=")[2].partition(":")
        return cls(module.strip(), function.strip())

    def resolve(self):
        return getattr(importlib.import_module(self.module), self.function)


stand_in = types.ModuleType("pkg_resources")
stand_in.EntryPoint = EntryPoint
sys.modules["pkg_resources"] = stand_in

from supervisor import poller, supervisord  # noqa: E402
from supervisor.medusa.asyncore_25 import socket_map  # noqa: E402

ANSWER_DUE = 0.02  # seconds

wait_for_input = poller.Poller.poll
wake_up, signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
pause = 0


def poll(self, timeout):
    """Waits for input, or for a signal: a request to stop and the end of a program count at once."""
    global pause
    self.register_readable(wake_up)
    due = any(getattr(channel, "delay", False) for channel in socket_map.values())
    readable, writable = wait_for_input(self, ANSWER_DUE if due else min(pause, timeout))
    pause = timeout
    if wake_up in readable:
        os.read(wake_up, 4096)
        readable.remove(wake_up)
    return readable, writable


poller.Poller.poll = poll
supervisord.main()
