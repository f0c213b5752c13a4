use runtime_macros::service;

#[service("payments")]
trait NotAsync {
    fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Unsafe {
    async unsafe fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Const {
    const fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Foreign {
    async extern "C" fn charge(
        &self,
        cx: &Context,
        request: Charge,
    ) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Generic {
    async fn charge<T>(&self, cx: &Context, request: T) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait WithLifetime {
    async fn charge<'a>(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>;
}

#[service("payments")]
trait Bounded {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError>
    where
        Self: Sized;
}

#[service("payments")]
trait WithBody {
    async fn charge(&self, cx: &Context, request: Charge) -> Result<Receipt, PaymentError> {
        Err(PaymentError::Declined)
    }
}

fn main() {}
