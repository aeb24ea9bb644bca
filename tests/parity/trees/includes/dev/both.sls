both: test.nop
