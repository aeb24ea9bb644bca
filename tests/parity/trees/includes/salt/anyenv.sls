include:
  - _xenv: both
here: test.nop
