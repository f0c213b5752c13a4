use runtime_macros::service;

#[service("payments")]
unsafe trait Unsafe {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
auto trait Auto {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Generic<T> {
    async fn charge(&self, cx: &Context, request: T) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Bounded
where
    Self: Clone,
{
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait WithSupertraits: Send + Refunds {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait WithoutMethods {}

#[service("payments")]
trait WithMore {
    type Receipt;
    const LIMIT: u64;
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

fn main() {}
