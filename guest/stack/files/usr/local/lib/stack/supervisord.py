"""Debian's supervisord, started without waiting, and quiet when there is nothing to do.

Under an emulated CPU two habits of supervisord cost every start and stop a second or two:

- It imports pkg_resources, which is most of its start-up, for one call that resolves "module:function". A stand-in
  does the same.
- It starts its programs only after the first poll for input has waited a whole second, and answers no signal while it
  polls, so a stop waits, too. Here the first poll returns at once, and a signal ends any poll.
- An answer to a call that waits for a program's end is looked at again only after the next poll. Here polls are short as
  long as such an answer is due.

A third one costs all day: it wakes up every second to see whether a program has come up, or has to be tried again, or
killed. Here it does so only while there is such a program. Whatever else happens is input or a signal.

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
from supervisor.states import ProcessStates  # noqa: E402
from supervisor.medusa.asyncore_25 import socket_map  # noqa: E402

ANSWER_DUE = 0.02  # seconds
CALM = 300  # seconds, the longest poll
PASSING = (ProcessStates.STARTING, ProcessStates.BACKOFF, ProcessStates.STOPPING, ProcessStates.EXITED)  # which is started anew

wait_for_input = poller.Poller.poll
wake_up, signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
pause = 0
supervisor = None
run_forever = supervisord.Supervisor.runforever


def known_run_forever(self):
    global supervisor
    supervisor = self
    run_forever(self)


def calm():
    """Says whether no program is in a state that time alone ends."""
    return not any(process.get_state() in PASSING
                   for group in supervisor.process_groups.values() for process in group.processes.values())


def poll(self, timeout):
    """Waits for input, or for a signal: a request to stop and the end of a program count at once."""
    global pause
    self.register_readable(wake_up)
    due = any(getattr(channel, "delay", False) for channel in socket_map.values())
    readable, writable = wait_for_input(self, ANSWER_DUE if due else min(pause, CALM if calm() else timeout))
    pause = CALM
    if wake_up in readable:
        os.read(wake_up, 4096)
        readable.remove(wake_up)
    return readable, writable


supervisord.Supervisor.runforever = known_run_forever
poller.Poller.poll = poll
supervisord.main()
