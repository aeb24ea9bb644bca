include: [run.empty]
on empty: {test.nop: [{require: [{sls: run.empty}]}]}
plain: test.nop
