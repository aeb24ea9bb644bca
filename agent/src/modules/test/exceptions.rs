//! Python's exceptions and Salt's, raised by name.

use salt_wire::Value;

use crate::context::{Args, Context, Error, Result, python};

/// Built-in exceptions that can be asked for by name.
const BUILTINS: &[&str] = &[
    "ArithmeticError",
    "AssertionError",
    "AttributeError",
    "BufferError",
    "EOFError",
    "Exception",
    "FileExistsError",
    "FileNotFoundError",
    "FloatingPointError",
    "ImportError",
    "IndexError",
    "IsADirectoryError",
    "KeyError",
    "LookupError",
    "MemoryError",
    "NameError",
    "NotADirectoryError",
    "NotImplementedError",
    "OSError",
    "OverflowError",
    "PermissionError",
    "RecursionError",
    "ReferenceError",
    "RuntimeError",
    "StopIteration",
    "SyntaxError",
    "SystemError",
    "TimeoutError",
    "UnboundLocalError",
    "ValueError",
    "ZeroDivisionError",
];

/// Salt's exceptions that are an operation's failure.
const EXECUTION: &[&str] = &[
    "CommandExecutionError",
    "ArgumentValueError",
    "CheckError",
    "InvalidConfigError",
    "InvalidEntityError",
    "CodePageError",
];

/// Salt's exceptions that nobody words.
const SALT_EXCEPTIONS: &[&str] = &[
    "salt.exceptions.SaltException",
    "salt.exceptions.SaltMasterError",
    "salt.exceptions.SaltNoMinionsFound",
    "salt.exceptions.SaltSyndicMasterError",
    "salt.exceptions.SaltMasterUnresolvableError",
    "salt.exceptions.AuthenticationError",
    "salt.exceptions.InvalidKeyError",
    "salt.exceptions.LoaderError",
    "salt.exceptions.PublishError",
    "salt.exceptions.MinionError",
    "salt.exceptions.FileserverConfigError",
    "salt.exceptions.FileLockError",
    "salt.exceptions.GitLockError",
    "salt.exceptions.GitRemoteError",
    "salt.exceptions.PkgParseError",
    "salt.exceptions.SaltRenderError",
    "salt.exceptions.SaltClientTimeout",
    "salt.exceptions.SaltCacheError",
    "salt.exceptions.TimeoutError",
    "salt.exceptions.SaltReqTimeoutError",
    "salt.exceptions.TimedProcTimeoutError",
    "salt.exceptions.EauthAuthenticationError",
    "salt.exceptions.TokenAuthenticationError",
    "salt.exceptions.TokenExpiredError",
    "salt.exceptions.SaltDeserializationError",
    "salt.exceptions.AuthorizationError",
    "salt.exceptions.SaltValidationError",
    "salt.exceptions.UnsupportedAlgorithm",
    "salt.exceptions.SaltDaemonNotRunning",
    "salt.exceptions.SaltRunnerError",
    "salt.exceptions.SaltWheelError",
    "salt.exceptions.SaltConfigurationError",
    "salt.exceptions.SaltCloudException",
    "salt.exceptions.NotImplemented",
    "salt.exceptions.TemplateError",
    "salt.exceptions.MissingSmb",
    "salt.exceptions.LoggingRuntimeError",
];

pub(super) fn raise_exception(_: &Context, args: &Args) -> Result {
    let name = args.text("name")?;
    let message = match args.rest.as_slice() {
        [] => String::new(),
        [one] => python::text(one),
        several => {
            let items: Vec<_> = several.iter().map(python::repr).collect();
            format!("({})", items.join(", "))
        }
    };
    let salts = name.strip_prefix("salt.exceptions.");
    if let Some(short) = salts {
        match short {
            short if EXECUTION.contains(&short) => return Err(Error::Execution(message)),
            "CommandNotFoundError" => return Err(Error::MissingCommand(message)),
            "SaltInvocationError" | "SaltClientError" => return Err(Error::Invocation(message)),
            _ => {}
        }
    }
    if name == "TypeError" {
        return Err(Error::Arguments(message));
    }
    if name == "OSError"
        && let [Value::Int(number), text] = args.rest.as_slice()
    {
        return Err(os_error(*number, text));
    }
    let known = BUILTINS.iter().chain(SALT_EXCEPTIONS).find(|k| **k == name);
    match known {
        Some(&kind) => {
            // KeyError's text is the repr of its key.
            let message = match args.rest.as_slice() {
                [one] if kind == "KeyError" => python::repr(one),
                _ => message,
            };
            Err(Error::Exception { kind, message })
        }
        None => {
            tracing::error!(name, "No such exception.");
            Ok(false.into())
        }
    }
}

/// The class that Python makes of an error number.
fn os_error(number: i128, text: &Value) -> Error {
    let kind = match number {
        1 | 13 => "PermissionError",
        2 => "FileNotFoundError",
        17 => "FileExistsError",
        20 => "NotADirectoryError",
        21 => "IsADirectoryError",
        110 => "TimeoutError",
        _ => "OSError",
    };
    Error::Exception {
        kind,
        message: format!("[Errno {number}] {}", python::text(text)),
    }
}
