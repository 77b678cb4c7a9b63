"""The engine for many machines: Ray Data hands out parts of the work, and only here is Ray imported (`cluster`).

A work is divided once, before it begins, into parts: so many inputs each, in order (`division`). The division stands
in the result's folder (`result`), so that whoever does a part, and however often it is begun, its file holds the rows
of the same inputs. Pictures are read where they are looked at: between the machines go numbers of parts and counts.
"""
