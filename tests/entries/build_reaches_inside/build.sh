#!/usr/bin/env python3
"""Asks the host, its neighbours and the cloud's metadata service for what they have; the run tells what answered."""

import json
import socket

PLACES = json.load(open("places.json"))


def answer(address, port):
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return "none"
    return "worked"


with open("answers.json", "w") as file:
    json.dump({address: answer(address, port) for address, port in PLACES}, file)
