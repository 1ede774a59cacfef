"""Load generators whose results are read: every module of this folder is one."""
