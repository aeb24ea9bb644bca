use std::path::PathBuf;

use salt_wire::{Map, Value, map};

use super::{Source, render, template};
use crate::context::Context;
use crate::fileclient::FileClient;
use crate::testing;

/// A context whose file roots hold these files.
fn context(dir: &tempfile::TempDir, files: &[(&str, &str)]) -> Context {
    let roots = dir.path().join("srv");
    for (name, text) in files {
        let path = roots.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let roots = Value::List(vec![roots.display().to_string().into()]);
    let ctx = testing::context(dir.path(), map! {"file_roots" => map! {"base" => roots}});
    ctx.facts.set_grains(map! {"os" => "Debian"});
    ctx
}

fn rendered(ctx: &Context, sls: &str) -> Result<Value, String> {
    let files = FileClient::new(ctx);
    let state = files.get_state(sls, "base").unwrap().unwrap();
    let text = std::fs::read_to_string(&state.dest).unwrap();
    let path: PathBuf = state.dest;
    let source = Source {
        text: &text,
        path: Some(&path),
        saltenv: "base",
        sls: Some(sls),
        variables: &Map::new(),
        files: &files,
    };
    render(ctx, &source, "jinja|yaml").map_err(|e| e.to_string())
}

#[test]
fn an_sls_sees_salts_names_functions_and_neighbours() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(
        &dir,
        &[
            (
                "web/init.sls",
                "{% from './map.jinja' import port with context %}\n{{ slspath }}-{{ tplfile }}:\n  test.nop:\n    - name: {{ grains.os }}-{{ port }}-{{ salt['test.echo']('x') }}{{ salt.test.echo('y') }}\n    - mode: 0644\n",
            ),
            ("web/map.jinja", "{% set port = 80 %}"),
        ],
    );
    let data = rendered(&ctx, "web").unwrap();
    let state = data.get("web-web/init.sls").unwrap();
    assert_eq!(
        state.get("test.nop").unwrap().as_list().unwrap(),
        [
            Value::Map(map! {"name" => "Debian-80-xy"}),
            Value::Map(map! {"mode" => 644}),
        ]
    );
}

#[test]
fn first_lines_choose_the_renderers() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(
        &dir,
        &[
            ("plain.sls", "#!yaml\na: '{{ 1 }}'\n"),
            ("data.sls", "#!json\n{\"a\": [1, null]}"),
            ("old.sls", "#!yaml_jinja\na: {{ 1 + 1 }}\n"),
            ("py.sls", "#!py\ndef run():\n    return {}\n"),
            (
                "head.sls",
                "#!jinja|yaml\n#jinja2: {\"trim_blocks\": true}\na: |\n  {% if 1 %}\nx\n  {% endif %}\n",
            ),
            ("empty.sls", "{# nothing #}\n"),
        ],
    );
    assert_eq!(
        rendered(&ctx, "plain").unwrap(),
        Value::Map(map! {"a" => "{{ 1 }}"})
    );
    assert_eq!(
        rendered(&ctx, "data").unwrap(),
        Value::Map(map! {"a" => Value::List(vec![1.into(), Value::Null])})
    );
    assert_eq!(rendered(&ctx, "old").unwrap(), Value::Map(map! {"a" => 2}));
    assert!(rendered(&ctx, "py").unwrap_err().contains("\"py\""));
    assert_eq!(
        rendered(&ctx, "head").unwrap(),
        Value::Map(map! {"a" => "x\n"})
    );
    assert_eq!(rendered(&ctx, "empty").unwrap(), Value::Map(Map::new()));
}

#[test]
fn faults_are_shown_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(
        &dir,
        &[
            ("undefined.sls", "a: 1\nb: {{ nope }}\nc: 2\n"),
            ("syntax.sls", "a: {{ 1 + }}\n"),
            ("yaml.sls", "a: b: c\n"),
            ("twice.sls", "a: 1\na: 2\n"),
            (
                "outer.sls",
                "{% from 'lib.jinja' import f %}\na: {{ f() }}\n",
            ),
            ("lib.jinja", "{% macro f() %}\n{{ oops }}\n{% endmacro %}\n"),
        ],
    );
    assert_eq!(
        rendered(&ctx, "undefined").unwrap_err(),
        "Jinja variable 'nope' is undefined; line 2\n\n---\na: 1\nb: {{ nope }}    <======================\nc: 2\n---"
    );
    assert_eq!(
        rendered(&ctx, "syntax").unwrap_err(),
        "Jinja syntax error: unexpected 'end of print statement'; line 1\n\n---\na: {{ 1 + }}    <======================\n---"
    );
    assert_eq!(
        rendered(&ctx, "yaml").unwrap_err(),
        "mapping values are not allowed in this context"
    );
    assert!(
        rendered(&ctx, "twice")
            .unwrap_err()
            .contains("found conflicting ID 'a'")
    );
    let outer = rendered(&ctx, "outer").unwrap_err();
    assert!(
        outer.starts_with("Jinja variable 'oops' is undefined\n"),
        "{outer}"
    );
    assert!(outer.contains("lib.jinja(2):\n---\n"), "{outer}");
    assert!(
        outer.contains("{{ oops }}    <======================"),
        "{outer}"
    );
}

#[test]
fn a_managed_file_sees_what_its_state_gives() {
    let dir = tempfile::tempdir().unwrap();
    let ctx = context(&dir, &[]);
    let files = FileClient::new(&ctx);
    let source = Source {
        text: "listen {{ port }}\n{% for h in hosts %}\n{{ h }}\n{%- endfor %}\n",
        path: None,
        saltenv: "base",
        sls: None,
        variables: &map! {"port" => 80, "hosts" => vec!["a", "b"]},
        files: &files,
    };
    assert_eq!(template(&ctx, &source).unwrap(), "listen 80\n\na\nb\n");
}
