//! Arguments as they may be written down: values that look like secrets are left out.

/// Words in an option's or variable's name that make its value a secret.
const SECRET_WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "api-key", "credential", "private-key"];
/// What stands for a secret.
const MASK: &str = "…";

/// Replaces the values of `--token X`, `--token=X`, `API_KEY=X`, and passwords in URLs.
pub(crate) fn without_secrets(arguments: &[String]) -> Vec<String> {
    let mut masked = Vec::with_capacity(arguments.len());
    let mut next_is_secret = false;
    for argument in arguments {
        if next_is_secret && !argument.starts_with('-') {
            masked.push(MASK.to_owned());
            next_is_secret = false;
            continue;
        }
        next_is_secret = false;
        match argument.split_once('=') {
            Some((name, _)) if is_secret_name(name) => masked.push(format!("{name}={MASK}")),
            Some(_) => masked.push(without_url_password(argument)),
            None => {
                next_is_secret = argument.starts_with('-') && is_secret_name(argument);
                masked.push(without_url_password(argument));
            }
        }
    }
    masked
}

/// A name without spaces or code in it, so that `python -c 'token = 1'` is kept as it is.
fn is_secret_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let name = name.to_ascii_lowercase().replace('_', "-");
    plain && SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn without_url_password(argument: &str) -> String {
    let Some((scheme, rest)) = argument.split_once("://") else { return argument.to_owned() };
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
    let Some((user, host)) = authority.rsplit_once('@') else { return argument.to_owned() };
    let Some((user, _)) = user.split_once(':') else { return argument.to_owned() };
    format!("{scheme}://{user}:{MASK}@{host}{}", &rest[authority.len()..])
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn masks_values_and_keeps_the_rest() {
        let given = [
            "python",
            "-c",
            "token = 1",
            "--token",
            "abc",
            "--db-password=x",
            "API_KEY=1",
            "-v",
            "--port=80",
            "postgres://me:secret@host/db",
            "http://host:80/a@b:c",
        ];
        let masked = without_secrets(&given.map(str::to_owned));
        let expected = [
            "python",
            "-c",
            "token = 1",
            "--token",
            "…",
            "--db-password=…",
            "API_KEY=…",
            "-v",
            "--port=80",
            "postgres://me:…@host/db",
            "http://host:80/a@b:c",
        ];
        assert_eq!(masked, expected);
    }
}
