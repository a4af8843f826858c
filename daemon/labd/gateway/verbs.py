"""What can be asked over ssh: those of the requests to the daemon that are, and what the gateway answers by itself."""

from __future__ import annotations

from labd.model.request_arguments import Project
from labd.model.requests import REQUESTS, Request


class Screen(Request):
    over_ssh = "your jobs, the queue, the machine, your disk"


class Top(Request):
    name = "top"
    over_ssh = "the same, live: ssh -t {lab} top"
    needs_terminal = True


class CheckRequest(Request):
    name = "check"
    over_ssh = "what labd thinks of inbox/NAME"
    other_words = "validate verify lint"
    project = Project()


class Help(Request):
    name = "help"
    other_words = "man usage info version commands ? /?"


VERBS: dict[str, type[Request]] = {
    "": Screen,
    Top.name: Top,
    **{name: request for name, request in REQUESTS.items() if request.over_ssh},
    CheckRequest.name: CheckRequest,
    Help.name: Help,
}
"""All of them by name, in the order of the help; "" is `ssh lab` alone."""
OTHER_WORDS = {word: verb for verb, request in VERBS.items() for word in request.other_words.split()}
"""For each word that is used elsewhere the verb here."""
