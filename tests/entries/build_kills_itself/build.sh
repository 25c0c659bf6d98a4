#!/bin/sh
# Dies of a signal that only somebody outside seems able to send: nobody is to be charged for it.
kill -9 $$
