exclude: web
a: test.nop
