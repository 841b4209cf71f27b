# Written by `deployer local up`; Python runs it before MiniStack.
import logging
import os
import socketserver
import sys
from importlib.machinery import PathFinder

# Answers to functions are sent at once.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True
# There is a thread for each execution of a function, and each one that has waited for the system, if only to write a line of
# its log, waits for the interpreter once more: 5 ms by default, while another thread computes. Nobody reads the
# lines about calls that succeeded.
sys.setswitchinterval(0.0005)
logging.disable(logging.INFO)

PIPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tasks")
ACTIONS = {"RunTask", "StartTask", "StopTask", "CreateService", "UpdateService", "DeleteService"}


def tell(region):
    """Writes a line for the agent that runs tasks. Without a reader, nobody wants to know."""
    try:
        pipe = os.open(PIPE, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(pipe, region.encode() + b"\n")
        finally:
            os.close(pipe)
    except OSError:
        pass


def listen(module):
    """Has the service tell of each call that starts or stops tasks. The agent asks often where this pipe is missing."""
    dispatch, region = getattr(module, "_dispatch_action", None), getattr(module, "get_region", None)
    if dispatch is None or region is None:
        return

    def told(action, data):
        try:
            return dispatch(action, data)
        finally:
            if action in ACTIONS:
                tell(region())

    module._dispatch_action = told
    os.mkfifo(PIPE, 0o600)


# Bytes of the bodies in a batch at most: Lambda invokes a function with 6 MB, in which each body is a text of JSON.
BATCH_BYTES = 4_000_000


def next_of(queue, most, now):
    """Returns the messages of a queue that can be received, from the first on, as many as a batch has at most."""
    batch, size = [], 0
    for message in queue["messages"]:
        if message.get("visible_at", now) > now:
            continue
        size += len(message["body"])
        if len(batch) == most or (batch and size > BATCH_BYTES):
            break
        batch.append(message)
    return batch


def take_whole_batches(module):
    """Gives a function as many messages as its trigger says, as Lambda does. MiniStack gives ten at most, so that a
    function that takes three events of each row and a thousand at a time would be the slowest of all. For each batch
    it also goes through all messages of the queue four times, 40 ms with 20,000 of them, while everything else waits."""
    names = ("_queues_lock", "_get_q", "_expire_retained", "_dlq_sweep", "_collect_msgs", "_receive_messages_for_esm")
    if not all(hasattr(module, name) for name in names):
        return
    receive = module._receive_messages_for_esm

    def receive_batch(queue_url, most):
        with module._queues_lock:
            queue, most, now = module._get_q(queue_url), int(most or 1), module.time.time()
            if not queue["is_fifo"]:
                batch = next_of(queue, most, now)
                oldest = now - int(queue["attributes"].get("MessageRetentionPeriod", "345600"))
                # Only a message that was received before can be a dead letter, and only one that was sent long ago expires.
                if any(one.get("receive_count") or one.get("sent_at", now) <= oldest for one in batch):
                    module._expire_retained(queue)
                    module._dlq_sweep(queue)
                    batch = next_of(queue, most, now)
                visible_after = int(queue["attributes"].get("VisibilityTimeout", "30"))
                return module._collect_msgs({**queue, "messages": batch}, len(batch), visible_after)
        return receive(queue_url, most)

    module._receive_messages_for_esm = receive_batch


CHANGES = {"ministack.services.ecs": listen, "ministack.services.sqs": take_whole_batches}


class Finder:
    """Finds the modules that are changed, which MiniStack imports when they are first called."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        change = CHANGES.get(name)
        if change is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                run(module)
                change(module)

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder)
