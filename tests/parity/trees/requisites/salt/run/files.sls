include: [run.empty, run.outer]
on empty: {test.nop: [{require: [{sls: run.empty}]}]}
on outer: {test.nop: [{require: [{sls: run.outer}]}]}
on glob: {test.nop: [{require: [{sls: 'run.*ner'}]}]}
