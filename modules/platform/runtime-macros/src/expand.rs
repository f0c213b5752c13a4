//! Writes what a contract needs besides its trait. Refers to nothing but `::runtime` and `::std`,
//! so that contract crates need few dependencies.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use crate::parse::{Contract, Method};

pub(crate) fn contract(contract: &Contract) -> TokenStream {
    let definition = definition(contract);
    let local = local(contract);
    let http = http(contract);
    let implementation = implementation(contract);
    quote! {
        #definition
        const _: () = {
            #local
            #http
            #implementation
        };
    }
}

fn definition(contract: &Contract) -> TokenStream {
    let Contract { docs, visibility, name, methods, .. } = contract;
    let methods = methods.iter().map(|method| {
        let docs = &method.docs;
        let signature = signature(method);
        quote! { #(#docs)* #signature; }
    });
    quote! {
        #(#docs)*
        #[::runtime::async_trait]
        #visibility trait #name: ::std::marker::Send + ::std::marker::Sync + 'static {
            #(#methods)*
        }
    }
}

fn signature(method: &Method) -> TokenStream {
    let Method { name, context, request, output, .. } = method;
    quote! { async fn #name(&self, cx: #context, request: #request) -> #output }
}

fn local(contract: &Contract) -> TokenStream {
    let name = &contract.name;
    let wrapper = format_ident!("__{name}InProcess");
    let count = contract.methods.len();
    let methods = contract.methods.iter().enumerate().map(|(index, method)| {
        let signature = signature(method);
        let method = &method.name;
        let index = Literal::usize_unsuffixed(index);
        quote! {
            #signature {
                let inner = ::std::sync::Arc::clone(&self.inner);
                let context = ::std::clone::Clone::clone(cx);
                self.methods[#index]
                    .call(cx, async move { inner.#method(&context, request).await })
                    .await
            }
        }
    });
    quote! {
        struct #wrapper {
            inner: ::std::sync::Arc<dyn #name>,
            methods: [::runtime::LocalMethod; #count],
        }

        #[::runtime::async_trait]
        impl #name for #wrapper {
            #(#methods)*
        }
    }
}

fn http(contract: &Contract) -> TokenStream {
    let name = &contract.name;
    let stub = format_ident!("__{name}OverHttp");
    let count = contract.methods.len();
    let methods = contract.methods.iter().enumerate().map(|(index, method)| {
        let signature = signature(method);
        let index = Literal::usize_unsuffixed(index);
        let call = match &method.routed_by {
            None => quote! { self.methods[#index].call(cx, request).await },
            Some(fields) => quote! {
                let key = ::runtime::RoutingKey::from(request #(.#fields)*);
                self.methods[#index].call_for(cx, key, request).await
            },
        };
        quote! { #signature { #call } }
    });
    quote! {
        struct #stub {
            methods: [::runtime::HttpMethod; #count],
        }

        #[::runtime::async_trait]
        impl #name for #stub {
            #(#methods)*
        }
    }
}

fn implementation(contract: &Contract) -> TokenStream {
    let Contract { service, name, methods, .. } = contract;
    let wrapper = format_ident!("__{name}InProcess");
    let stub = format_ident!("__{name}OverHttp");
    let name_text = name.to_string();
    let list = methods.iter().map(|method| {
        let method_name = unraw(&method.name);
        let idempotent = method.idempotent;
        quote! { ::runtime::Method { name: #method_name, idempotent: #idempotent } }
    });
    let entry = |index: usize| {
        let index = Literal::usize_unsuffixed(index);
        quote! { &<Self as ::runtime::Contract>::METHODS[#index] }
    };
    let local = (0..methods.len()).map(|index| {
        let entry = entry(index);
        quote! { calls.method(<Self as ::runtime::Contract>::SERVICE, #entry) }
    });
    let http = (0..methods.len()).map(|index| {
        let entry = entry(index);
        quote! { client.method(#entry) }
    });
    let routes = methods.iter().enumerate().map(|(index, method)| {
        let entry = entry(index);
        let method = &method.name;
        quote! {
            .merge(server.method(<Self as ::runtime::Contract>::SERVICE, #entry, {
                let inner = ::std::sync::Arc::clone(&inner);
                move |context: ::runtime::Context, request| {
                    let inner = ::std::sync::Arc::clone(&inner);
                    async move { inner.#method(&context, request).await }
                }
            }))
        }
    });
    let descriptions = methods.iter().enumerate().map(|(index, method)| {
        let entry = entry(index);
        let about = method.about();
        let Method { request, reply, error, .. } = method;
        quote! { .with_method::<#request, #reply, #error>(*#entry, #about) }
    });
    quote! {
        impl ::runtime::Contract for dyn #name {
            const SERVICE: &'static str = #service;
            const NAME: &'static str = #name_text;
            const METHODS: &'static [::runtime::Method] = &[#(#list),*];

            fn local(
                inner: ::std::sync::Arc<Self>,
                calls: ::runtime::LocalCalls,
            ) -> ::std::sync::Arc<Self> {
                ::std::sync::Arc::new(#wrapper { inner, methods: [#(#local),*] })
            }

            fn http(client: ::runtime::HttpClient) -> ::std::sync::Arc<Self> {
                ::std::sync::Arc::new(#stub { methods: [#(#http),*] })
            }

            fn router(
                inner: ::std::sync::Arc<Self>,
                server: ::runtime::InternalServer,
            ) -> ::runtime::Router {
                ::runtime::Router::new()#(#routes)*
            }

            fn describe() -> ::runtime::ContractDescription {
                ::runtime::ContractDescription::new(
                    <Self as ::runtime::Contract>::SERVICE,
                    <Self as ::runtime::Contract>::NAME,
                )
                #(#descriptions)*
            }
        }
    }
}

fn unraw(name: &proc_macro2::Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
