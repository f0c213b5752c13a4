//! What a template may do: print variables, ask about them and go through lists. Everything else is
//! a fault, and all faults are found together, before any of it runs.
//!
//! What is allowed can grow neither in space nor in time beyond the template's own length times that
//! of the lists: there are no assignments, no arithmetic, no calls.

use minijinja::{
    Error, ErrorKind,
    machinery::{
        Span, Token,
        ast::{BinOpKind, Expr, ForLoop, Stmt},
        parse, tokenize,
    },
    syntax::SyntaxConfig,
};
use serde_json::{Value, json};

/// What the engine's parser, which goes deeper with each of them, has to bear: words and signs
/// between two braces, and tags.
const LONGEST_TAG: usize = 120;
const MOST_TAGS: usize = 200;

const FILTERS: [&str; 3] = ["upper", "lower", "length"];

/// A fault, with its line where that is known.
type Found = (Option<usize>, String);

/// Everything that is wrong with `source`, for which there are variables like `shape`.
pub(super) fn faults(source: &str, shape: &Value) -> Vec<Found> {
    if let Err(fault) = measure(source) {
        return vec![fault];
    }
    let root = match parse(source, "template", SyntaxConfig::default()) {
        Ok(root) => root,
        Err(error) => return vec![(error.line(), words_of(&error))],
    };
    let mut check = Check { scopes: vec![shape.clone()], faults: Vec::new() };
    check.statement(&root);
    check.faults
}

/// What an error of the engine says, without the template's name.
pub(super) fn words_of(error: &Error) -> String {
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "it takes too long",
        ErrorKind::WriteFailure => "the mail becomes too long",
        ErrorKind::UndefinedError => "something in it is not defined",
        _ => return error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
    };
    what.to_owned()
}

/// Refuses what would lead the parser too deep.
fn measure(source: &str) -> Result<(), Found> {
    let (mut tags, mut length) = (0, 0);
    for token in tokenize(source, false, SyntaxConfig::default()) {
        let (token, span) = token.map_err(|error| (error.line(), words_of(&error)))?;
        match token {
            Token::TemplateData(_) | Token::VariableEnd | Token::BlockEnd => length = 0,
            Token::BlockStart | Token::VariableStart => {
                tags += usize::from(matches!(token, Token::BlockStart));
                length = 0;
            }
            _ => length += 1,
        }
        let line = Some(usize::from(span.start_line));
        if length > LONGEST_TAG {
            return Err((line, "what stands between these braces is too long".to_owned()));
        }
        if tags > MOST_TAGS {
            return Err((line, format!("there are more than {MOST_TAGS} ifs and fors")));
        }
    }
    Ok(())
}

struct Check {
    /// What names mean, the innermost scope last.
    scopes: Vec<Value>,
    faults: Vec<Found>,
}

impl Check {
    fn fault(&mut self, span: Span, what: impl Into<String>) {
        let fault = (Some(usize::from(span.start_line)), what.into());
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        let span = match statement {
            Stmt::Template(template) => return self.statements(&template.children),
            Stmt::EmitRaw(_) => return,
            Stmt::EmitExpr(emit) => {
                let printed = self.expression(&emit.expr);
                if printed.is_some_and(|shape| shape.is_array() || shape.is_object()) {
                    self.fault(emit.span(), "a list or a group cannot be printed; name what of it");
                }
                return;
            }
            Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
                return;
            }
            Stmt::ForLoop(each) => {
                if each.recursive {
                    self.fault(each.span(), "a loop cannot be recursive");
                }
                return self.each(each, each.span());
            }
            Stmt::WithBlock(it) => it.span(),
            Stmt::Set(it) => it.span(),
            Stmt::SetBlock(it) => it.span(),
            Stmt::AutoEscape(it) => it.span(),
            Stmt::FilterBlock(it) => it.span(),
            Stmt::Do(it) => it.span(),
        };
        self.fault(span, "only if and for can stand here");
    }

    fn each(&mut self, each: &ForLoop<'_>, span: Span) {
        let listed = self.expression(&each.iter);
        let element = match listed {
            None => None,
            Some(Value::Array(elements)) => elements.into_iter().next(),
            Some(_) => {
                self.fault(span, "only a list can be gone through");
                None
            }
        };
        let Expr::Var(name) = &each.target else {
            self.fault(span, "a loop has one name for what it goes through");
            return;
        };
        // Of what is no list nothing is known; one fault about it is enough.
        let Some(element) = element else {
            return self.statements(&each.else_body);
        };
        let mut inside = json!({
            "loop": {"index": 1, "index0": 0, "first": true, "last": true, "length": 1},
        });
        if let Some(names) = inside.as_object_mut() {
            names.insert(name.id.to_owned(), element);
        }
        self.scopes.push(inside);
        if let Some(condition) = &each.filter_expr {
            self.expression(condition);
        }
        self.statements(&each.body);
        self.scopes.pop();
        self.statements(&each.else_body);
    }

    /// What an expression is like; `None` when that is not known, and then a fault was found.
    fn expression(&mut self, expression: &Expr<'_>) -> Option<Value> {
        match expression {
            Expr::Var(name) => {
                let known = self.scopes.iter().rev().find_map(|scope| scope.get(name.id)).cloned();
                if known.is_none() {
                    self.fault(name.span(), format!("there is no variable {}", name.id));
                }
                known
            }
            Expr::Const(_) => Some(Value::String(String::new())),
            Expr::GetAttr(path) => {
                let outer = self.expression(&path.expr)?;
                let inner = outer.get(path.name).cloned();
                if inner.is_none() {
                    self.fault(path.span(), missing(&outer, path.name));
                }
                inner
            }
            Expr::UnaryOp(operation) => {
                self.expression(&operation.expr)?;
                Some(Value::Bool(true))
            }
            Expr::BinOp(operation) => {
                let allowed = matches!(
                    operation.op,
                    BinOpKind::Eq
                        | BinOpKind::Ne
                        | BinOpKind::Lt
                        | BinOpKind::Lte
                        | BinOpKind::Gt
                        | BinOpKind::Gte
                        | BinOpKind::ScAnd
                        | BinOpKind::ScOr
                );
                if !allowed {
                    self.fault(operation.span(), "this can only be compared, not computed with");
                }
                let (left, right) =
                    (self.expression(&operation.left), self.expression(&operation.right));
                left.and(right).and(Some(Value::Bool(true)))
            }
            Expr::Compare(comparison) => {
                let mut known = self.expression(&comparison.expr);
                for operand in &comparison.ops {
                    known = known.and(self.expression(&operand.expr));
                }
                known.and(Some(Value::Bool(true)))
            }
            Expr::IfExpr(choice) => {
                self.expression(&choice.test_expr);
                let chosen = self.expression(&choice.true_expr);
                let Some(otherwise) = &choice.false_expr else {
                    self.fault(choice.span(), "an if between braces needs an else");
                    return chosen;
                };
                self.expression(otherwise).and(chosen)
            }
            Expr::Filter(filter) => {
                if !FILTERS.contains(&filter.name) || !filter.args.is_empty() {
                    let known = FILTERS.join(", ");
                    self.fault(filter.span(), format!("there are only the filters {known}"));
                }
                self.expression(filter.expr.as_ref()?)?;
                Some(Value::String(String::new()))
            }
            Expr::Slice(_)
            | Expr::Test(_)
            | Expr::GetItem(_)
            | Expr::Call(_)
            | Expr::List(_)
            | Expr::Tuple(_)
            | Expr::Map(_) => {
                let what = expression.description();
                self.fault(expression.span(), format!("a {what} like this is not available"));
                None
            }
        }
    }
}

fn missing(outer: &Value, name: &str) -> String {
    match outer {
        Value::Object(fields) => {
            let known: Vec<&str> = fields.keys().map(String::as_str).collect();
            format!("there is no {name} here; there is {}", known.join(", "))
        }
        Value::Array(_) => format!("{name} belongs to each of a list; go through it with for"),
        _ => format!("there is no {name} in a text"),
    }
}
