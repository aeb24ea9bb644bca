include: [nowhere.at.all]
a: test.nop
