"""The machine's side of a session in real time: its clock, its inbox, its health.

Lives here: the ports of ``engine.live`` on a real machine. May import: events, engine.ports. Always
holds: nothing here decides; what is measured is said as it was measured.
Start reading at ``inbox.SessionInbox``.
"""
