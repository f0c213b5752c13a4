use runtime_macros::service;

#[service]
trait Payments<T> {
    #[cached]
    fn charge(&mut self, request: T) -> Receipt {
        Receipt
    }
}

fn main() {}
