only in dev: test.nop
