#!/usr/bin/env python3
"""Connects a second time while it is graded, to be shown frames there as well."""

import socket

import kit

import wmc_guest

ATTEMPTS = {}


def connect_again():
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(2)
        stream.connect(kit.GATE)
        stream.recv(1)


class Twofold(kit.Telling):
    """Tries it when frames have begun to come."""

    def predict(self):
        if not ATTEMPTS:
            ATTEMPTS["a second connection"] = kit.tried(connect_again)
        return super().predict()


wmc_guest.serve(lambda: Twofold(ATTEMPTS))
