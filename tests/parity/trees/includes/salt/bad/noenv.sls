include:
  - stage: x
a: test.nop
