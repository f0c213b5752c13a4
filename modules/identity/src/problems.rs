//! What can go wrong with identity's endpoints, besides what can go wrong with any.

use edge::ProblemType;

/// All of them, for the API's documentation.
pub(crate) static ALL: &[&ProblemType] = &[
    &EMAIL_TAKEN,
    &INVALID_CREDENTIALS,
    &REFRESH_TOKEN_INVALID,
    &REFRESH_TOKEN_REUSED,
    &OWN_ADMIN_ROLE,
    &TOO_MANY_LOGINS,
    &WRONG_PASSWORD,
    &OWN_PASSWORD,
];

pub(crate) static EMAIL_TAKEN: ProblemType = ProblemType {
    slug: "email-taken",
    status: 409,
    title: "The e-mail address has an account",
    meaning: "An account with this e-mail address exists already; capital letters do not make \
              another address. Nothing was changed.",
    what_to_do: "Log in with `POST /v1/auth/login`, or register with another address.",
};

pub(crate) static INVALID_CREDENTIALS: ProblemType = ProblemType {
    slug: "invalid-credentials",
    status: 401,
    title: "E-mail address or password is wrong",
    meaning: "No account has this e-mail address and this password. Which of the two is wrong is \
              not told, so that nobody can find out who has an account.",
    what_to_do: "Correct them and try again.",
};

pub(crate) static REFRESH_TOKEN_INVALID: ProblemType = ProblemType {
    slug: "refresh-token-invalid",
    status: 401,
    title: "The refresh token is not valid",
    meaning: "The refresh token was never given out, or has expired, or its session has ended: \
              logged out, since a token of it was used twice, since the account's password was \
              changed, or with all sessions of the account.",
    what_to_do: "Log in again with `POST /v1/auth/login`.",
};

pub(crate) static REFRESH_TOKEN_REUSED: ProblemType = ProblemType {
    slug: "refresh-token-reused",
    status: 401,
    title: "The refresh token was used before",
    meaning: "Each refresh token is good for one use. This one was used before, so either it was \
              stolen or the client sent it twice. The whole session has ended, with every refresh \
              token of it.",
    what_to_do: "Log in again with `POST /v1/auth/login`. Store the new refresh token of each \
                 answer before using it, and never refresh twice at once. If you did not send it \
                 twice, somebody else has it.",
};

pub(crate) static OWN_ADMIN_ROLE: ProblemType = ProblemType {
    slug: "own-admin-role",
    status: 409,
    title: "Admins cannot give up their own admin role",
    meaning: "The change would take the role `admin` away from the account that asks for it. This \
              is refused so that an installation always has an admin: whoever takes the role away \
              from somebody keeps it. Nothing was changed.",
    what_to_do: "Let another admin make the change.",
};

pub(crate) static TOO_MANY_LOGINS: ProblemType = ProblemType {
    slug: "too-many-logins",
    status: 429,
    title: "Too many logins failed",
    meaning: "From this address the password of this account was wrong so often, or from this \
              network so many passwords of whatever accounts were, that the next try has to wait. \
              Nobody looked at the password that was sent. Logins from elsewhere are not held back. \
              The old password of a change of passwords counts as that of a login does.",
    what_to_do: "Wait as long as `Retry-After` says, then send the right password. Each wrong one \
                 makes the next wait longer; a right one ends that.",
};

pub(crate) static WRONG_PASSWORD: ProblemType = ProblemType {
    slug: "wrong-password",
    status: 403,
    title: "The old password is wrong",
    meaning: "The account has another password than the old one that was sent, or got another at \
              this moment. Nothing was changed. It counts as a login with a wrong password does.",
    what_to_do: "Send the password that the account has, or ask an admin for a new one.",
};

pub(crate) static OWN_PASSWORD: ProblemType = ProblemType {
    slug: "own-password",
    status: 409,
    title: "Admins change their own password with the old one",
    meaning: "An admin can give a new password to every account but the own one, so that a stolen \
              access token does not lock its owner out. Nothing was changed.",
    what_to_do: "Change it with `PUT /v1/users/me/password`, or ask another admin.",
};
