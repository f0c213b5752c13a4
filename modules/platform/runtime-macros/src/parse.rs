//! Reads a contract, and says all that is wrong with it at once.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Attribute, Expr, ExprLit, FnArg, GenericArgument, Ident, Item, ItemTrait, Lit, LitStr, Meta,
    Pat, PathArguments, ReturnType, Signature, Token, TraitItem, TraitItemFn, Type, Visibility,
    punctuated::Punctuated,
};

/// A trait that fulfils what `#[service]` demands.
pub(crate) struct Contract {
    pub(crate) service: LitStr,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) methods: Vec<Method>,
}

pub(crate) struct Method {
    pub(crate) docs: Vec<Attribute>,
    pub(crate) name: Ident,
    pub(crate) idempotent: bool,
    /// The field of the request, or the field of a field, by which a replica is chosen.
    pub(crate) routed_by: Option<Vec<Ident>>,
    pub(crate) context: Type,
    pub(crate) request: Type,
    pub(crate) output: Type,
    pub(crate) reply: Type,
    pub(crate) error: Type,
}

const SIGNATURE: &str =
    "`async fn name(&self, cx: &Context, request: Request) -> Result<Reply, Error>`";

pub(crate) fn contract(arguments: TokenStream, item: TokenStream) -> syn::Result<Contract> {
    let mut faults = Faults::default();
    let service = faults.keep(service_name(arguments));
    let parsed = match syn::parse2::<Item>(item) {
        Ok(Item::Trait(parsed)) => Some(parsed),
        Ok(other) => {
            faults.add(&other, "`#[service]` goes on a trait");
            None
        }
        Err(error) => {
            faults.keep::<()>(Err(error));
            None
        }
    };
    let contract = parsed.map(|parsed| {
        check_trait(&parsed, &mut faults);
        let docs = docs(&parsed.attrs, "a contract", &[], &mut faults);
        let methods = parsed.items.into_iter().filter_map(|item| method(item, &mut faults));
        let methods = methods.collect();
        (docs, parsed.vis, parsed.ident, methods)
    });
    faults.into_result()?;
    match (service, contract) {
        (Some(service), Some((docs, visibility, name, methods))) => {
            Ok(Contract { service, docs, visibility, name, methods })
        }
        _ => Err(syn::Error::new(Span::call_site(), "the contract cannot be read")),
    }
}

fn service_name(arguments: TokenStream) -> syn::Result<LitStr> {
    const MISSING: &str =
        "name the service that provides this contract, as in `#[service(\"payments\")]`";
    if arguments.is_empty() {
        return Err(syn::Error::new(Span::call_site(), MISSING));
    }
    let name: LitStr =
        syn::parse2(arguments.clone()).map_err(|_| syn::Error::new_spanned(arguments, MISSING))?;
    let text = name.value();
    let begins_with_letter = text.starts_with(|first: char| first.is_ascii_lowercase());
    let rest_fits = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !begins_with_letter || !rest_fits {
        return Err(syn::Error::new(
            name.span(),
            "a service's name is lowercase letters, digits and hyphens, a letter first",
        ));
    }
    Ok(name)
}

fn check_trait(parsed: &ItemTrait, faults: &mut Faults) {
    if let Some(token) = &parsed.unsafety {
        faults.add(token, "a contract is a safe trait");
    }
    if let Some(token) = &parsed.auto_token {
        faults.add(token, "a contract is not an auto trait");
    }
    if !parsed.generics.params.is_empty() {
        faults.add(
            &parsed.generics,
            "a contract has no parameters: the other side of the wire could not know them",
        );
    }
    if let Some(clause) = &parsed.generics.where_clause {
        faults.add(clause, "a contract has no `where` clause");
    }
    if !parsed.supertraits.is_empty() {
        faults.add(
            &parsed.supertraits,
            "a contract has no supertraits; `Send + Sync + 'static` is added",
        );
    }
    if parsed.items.is_empty() {
        faults.add(&parsed.ident, "a contract has at least one method");
    }
}

fn method(item: TraitItem, faults: &mut Faults) -> Option<Method> {
    let item = match item {
        TraitItem::Fn(item) => item,
        other => {
            faults.add(other, "a contract has methods only");
            return None;
        }
    };
    let docs = docs(&item.attrs, "a contract's method", &["idempotent", "routed_by"], faults);
    let idempotent = idempotent(&item.attrs, faults);
    let routed_by = routed_by(&item.attrs, faults);
    check_signature(&item, faults);
    let arguments = arguments(&item.sig, faults);
    let output = output(&item.sig, faults);
    let (context, request) = arguments?;
    let (output, reply, error) = output?;
    let name = item.sig.ident;
    Some(Method { docs, name, idempotent, routed_by, context, request, output, reply, error })
}

/// The documentation among the attributes. Others than that and `known` are faults.
fn docs(
    attributes: &[Attribute],
    place: &str,
    known: &[&str],
    faults: &mut Faults,
) -> Vec<Attribute> {
    let (docs, others): (Vec<&Attribute>, Vec<&Attribute>) =
        attributes.iter().partition(|attribute| attribute.path().is_ident("doc"));
    for other in others {
        if known.iter().any(|name| other.path().is_ident(name)) {
            continue;
        }
        let understood = match known {
            [] => "documentation".to_owned(),
            names => format!("documentation, `#[{}]`", names.join("]` and `#[")),
        };
        faults.add(other, &format!("unknown attribute: on {place}, only {understood} can stand"));
    }
    docs.into_iter().cloned().collect()
}

fn idempotent(attributes: &[Attribute], faults: &mut Faults) -> bool {
    let mut marks = attributes.iter().filter(|attribute| attribute.path().is_ident("idempotent"));
    let Some(mark) = marks.next() else { return false };
    if !matches!(mark.meta, Meta::Path(_)) {
        faults.add(mark, "`#[idempotent]` takes no arguments");
    }
    if let Some(again) = marks.next() {
        faults.add(again, "`#[idempotent]` is here already");
    }
    true
}

fn routed_by(attributes: &[Attribute], faults: &mut Faults) -> Option<Vec<Ident>> {
    let mut marks = attributes.iter().filter(|attribute| attribute.path().is_ident("routed_by"));
    let mark = marks.next()?;
    if let Some(again) = marks.next() {
        faults.add(again, "`#[routed_by]` is here already");
    }
    let fields = match &mark.meta {
        Meta::List(list) => {
            list.parse_args_with(Punctuated::<Ident, Token![.]>::parse_separated_nonempty)
        }
        other => Err(syn::Error::new_spanned(other, "")),
    };
    if fields.is_err() {
        faults.add(
            mark,
            "`#[routed_by]` names the field of the request that holds the id of what the call is \
             about, as in `#[routed_by(event_id)]`",
        );
    }
    fields.ok().map(|fields| fields.into_iter().collect())
}

fn check_signature(item: &TraitItemFn, faults: &mut Faults) {
    let signature = &item.sig;
    let name = &signature.ident;
    if signature.asyncness.is_none() {
        faults.add(
            signature.fn_token,
            &format!("`{name}` must be async, since the callee may be in another process"),
        );
    }
    if let Some(token) = &signature.constness {
        faults.add(token, "a contract's method is not const");
    }
    if let Some(token) = &signature.unsafety {
        faults.add(token, "a contract's method is safe");
    }
    if let Some(abi) = &signature.abi {
        faults.add(abi, "a contract's method has no ABI");
    }
    if let Some(variadic) = &signature.variadic {
        faults.add(variadic, &format!("a contract's method is {SIGNATURE}"));
    }
    if !signature.generics.params.is_empty() {
        faults.add(
            &signature.generics,
            &format!("`{name}` has parameters; the other side of the wire could not know them"),
        );
    }
    if let Some(clause) = &signature.generics.where_clause {
        faults.add(clause, "a contract's method has no `where` clause");
    }
    if let Some(body) = &item.default {
        faults.add(
            body,
            &format!("`{name}` has a body; a contract says what there is, not how it is done"),
        );
    }
}

/// The types of the context and of the request.
fn arguments(signature: &Signature, faults: &mut Faults) -> Option<(Type, Type)> {
    let name = &signature.ident;
    let mut inputs = signature.inputs.iter();
    match signature.receiver() {
        Some(receiver) => {
            inputs.next();
            let is_plain = receiver.reference.as_ref().is_some_and(|(_, life)| life.is_none())
                && receiver.mutability.is_none()
                && receiver.colon_token.is_none();
            if !is_plain {
                faults.add(receiver, &format!("`{name}` must take `&self`"));
            }
        }
        None => faults.add_at(
            signature.paren_token.span.open(),
            &format!("`{name}` must take `&self` first: a contract's method is {SIGNATURE}"),
        ),
    }
    let typed: Vec<_> = inputs
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
        .collect();
    for argument in &typed {
        if !matches!(&*argument.pat, Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none())
            && !matches!(&*argument.pat, Pat::Wild(_))
        {
            faults.add(&argument.pat, "an argument of a contract's method is a plain name");
        }
    }
    let context = typed.first();
    if !context.is_some_and(|argument| is_context(&argument.ty)) {
        let message = format!(
            "`{name}` must take `cx: &Context` after `&self`: deadline, principal and trace travel \
             in it"
        );
        match context {
            Some(argument) => faults.add(&argument.ty, &message),
            None => faults.add_at(signature.paren_token.span.close(), &message),
        }
    }
    let surplus = typed.get(2);
    if let Some(surplus) = surplus {
        faults.add(
            surplus,
            &format!("`{name}` must take one request; put what belongs together into one type"),
        );
    }
    let Some(request) = typed.get(1) else {
        // Without a context, the missing argument is the context.
        if context.is_none_or(|argument| is_context(&argument.ty)) {
            faults.add_at(
                signature.paren_token.span.close(),
                &format!(
                    "`{name}` must take one request after the context, `()` if nothing is asked"
                ),
            );
        }
        return None;
    };
    if matches!(*request.ty, Type::Reference(_)) {
        faults.add(&request.ty, &format!("`{name}` must take its request by value"));
    }
    if matches!(*request.ty, Type::ImplTrait(_)) {
        faults.add(&request.ty, &format!("`{name}` must name the type of its request"));
    }
    let context = context?;
    Some(((*context.ty).clone(), (*request.ty).clone()))
}

fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else { return false };
    let Type::Path(path) = &*reference.elem else { return false };
    let is_named_so = path.path.segments.last().is_some_and(|segment| {
        segment.ident == "Context" && matches!(segment.arguments, PathArguments::None)
    });
    is_named_so && reference.mutability.is_none() && reference.lifetime.is_none()
}

/// The whole return type, and the types of reply and error in it.
fn output(signature: &Signature, faults: &mut Faults) -> Option<(Type, Type, Type)> {
    let name = &signature.ident;
    let wrong = format!("`{name}` must return `Result<Reply, Error>`, with both types written out");
    let ReturnType::Type(_, output) = &signature.output else {
        faults.add(&signature.ident, &wrong);
        return None;
    };
    let Some((reply, error)) = result_of(output) else {
        faults.add(output, &wrong);
        return None;
    };
    Some(((**output).clone(), reply, error))
}

fn result_of(output: &Type) -> Option<(Type, Type)> {
    let Type::Path(path) = output else { return None };
    let last = path.path.segments.last()?;
    if last.ident != "Result" {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    });
    let (reply, error) = (types.next()??, types.next()??);
    types.next().is_none().then_some((reply, error))
}

impl Method {
    /// The documentation as one text, lines as they are written.
    pub(crate) fn about(&self) -> String {
        let lines = self.docs.iter().filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(meta) => match &meta.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        });
        let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
        lines.join("\n")
    }
}

/// Everything that is wrong, as one error with many places.
#[derive(Default)]
struct Faults(Option<syn::Error>);

impl Faults {
    /// A fault of all of `tokens`.
    fn add(&mut self, tokens: impl ToTokens, message: &str) {
        self.combine(syn::Error::new_spanned(tokens, message));
    }

    /// A fault of what is not there.
    fn add_at(&mut self, span: Span, message: &str) {
        self.combine(syn::Error::new(span, message));
    }

    fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.combine(error);
                None
            }
        }
    }

    fn combine(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
