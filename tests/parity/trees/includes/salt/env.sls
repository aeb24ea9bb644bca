include:
  - dev: only
here: test.nop
