"""scripts/doctor: what on this machine would spoil a measurement, and how to mend it.

checks has the table of what is looked at, probe asks the machine, words shows what was found,
tuning sets what can be set for a while; command is the program.
"""
