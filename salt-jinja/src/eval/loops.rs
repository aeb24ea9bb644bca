//! `for`, and the `loop` inside of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::{Args, Flow, Frame, Interp};
use crate::ast::ForDef;
use crate::error::{Error, Result};
use crate::value::{Items, Val, ops};

/// `loop`
pub(crate) struct Loop {
    items: Items,
    at: Cell<usize>,
    depth: usize,
    changed: RefCell<Option<Vec<Val>>>,
    /// A recursive loop, and where it stands.
    again: Option<(Rc<ForDef>, Frame)>,
}

impl Loop {
    pub(crate) fn index(&self) -> usize {
        self.at.get() + 1
    }

    pub(crate) fn length(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_recursive(&self) -> bool {
        self.again.is_some()
    }

    /// The items behind the current one.
    pub(crate) fn rest(&self) -> Vec<Val> {
        self.items
            .get(self.at.get() + 1..)
            .unwrap_or_default()
            .to_vec()
    }

    /// A member of `loop`.
    pub(crate) fn attr(&self, interp: &Interp<'_>, name: &str) -> Option<Val> {
        let (at, len) = (self.at.get(), self.items.len());
        Some(match name {
            "index" => Val::from(at + 1),
            "index0" => Val::from(at),
            "revindex" => Val::from(len - at),
            "revindex0" => Val::from(len - at - 1),
            "first" => Val::Bool(at == 0),
            "last" => Val::Bool(at + 1 == len),
            "length" => Val::from(len),
            "depth" => Val::from(self.depth + 1),
            "depth0" => Val::from(self.depth),
            "previtem" => match at.checked_sub(1) {
                Some(before) => self.items[before].clone(),
                None => interp.undefined("there is no previous item"),
            },
            "nextitem" => match self.items.get(at + 1) {
                Some(item) => item.clone(),
                None => interp.undefined("there is no next item"),
            },
            _ => return None,
        })
    }

    pub(crate) fn cycle(&self, args: &Args) -> Result {
        if args.positional.is_empty() {
            return Err(Error::type_error("no items for cycling given"));
        }
        Ok(args.positional[self.at.get() % args.positional.len()].clone())
    }

    pub(crate) fn changed(&self, args: &Args) -> Result {
        let mut last = self.changed.borrow_mut();
        if let Some(last) = &*last
            && last.len() == args.positional.len()
        {
            let mut same = true;
            for (a, b) in last.iter().zip(&args.positional) {
                same &= ops::equal(a, b)?;
            }
            if same {
                return Ok(Val::Bool(false));
            }
        }
        *last = Some(args.positional.clone());
        Ok(Val::Bool(true))
    }
}

impl Interp<'_> {
    pub(crate) fn run_loop(
        &self,
        def: &Rc<ForDef>,
        iterable: &Val,
        frame: &Frame,
        depth: usize,
        out: &mut String,
    ) -> Result<()> {
        let mut items = ops::items(iterable)?;
        self.spend(items.len())?;
        if let Some(filter) = &def.filter {
            let mut kept = Vec::with_capacity(items.len());
            for item in items {
                let inner = frame.inner();
                self.assign(&def.target, item.clone(), &inner)?;
                if self.eval(filter, &inner)?.truth()? {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            self.body(&def.otherwise, &frame.inner(), out)?;
            return Ok(());
        }
        let state = Rc::new(Loop {
            items: items.into(),
            at: Cell::new(0),
            depth,
            changed: RefCell::new(None),
            again: def.recursive.then(|| (def.clone(), frame.clone())),
        });
        let name = "loop".into();
        for at in 0..state.items.len() {
            state.at.set(at);
            let inner = frame.inner();
            inner.scope.set(&name, Val::Loop(state.clone()));
            self.assign(&def.target, state.items[at].clone(), &inner)?;
            if self.body(&def.body, &inner, out)? == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// `loop(children)` in a recursive loop.
    pub(crate) fn recurse(&self, state: &Loop, args: &Args) -> Result {
        let Some((def, frame)) = &state.again else {
            return Err(Error::type_error(
                "The loop must have the 'recursive' marker to be called recursively.",
            ));
        };
        let [Some(items)] = args.bind("loop", ["iterable"])? else {
            return Err(Error::type_error(
                "loop() missing 1 required positional argument: 'iterable'",
            ));
        };
        let mut out = String::new();
        self.deeper(|| self.run_loop(def, &items, frame, state.depth + 1, &mut out))?;
        Ok(self.made(out))
    }
}
