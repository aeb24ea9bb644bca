include: [run.inner]
in outer: test.nop
