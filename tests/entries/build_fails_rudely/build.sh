#!/bin/sh
# Its last words, which a message quotes, are escapes and mark-up.
printf '\033[2J\033]0;owned\007<script>hostile_script()</script>\r\010[bold red]\n' >&2
exit 7
