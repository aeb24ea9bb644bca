only: test.nop
