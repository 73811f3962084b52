//! `cartwright admin`.

use std::io::{self, BufRead, IsTerminal};

use crate::{
    accounts::{self, NewUser, Passwords, Role},
    app::{programs, settings::SettingArgs},
    shop::Shop,
};
use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};

use super::{open, print_line};

#[derive(Subcommand)]
pub enum AdminCommand {
    Create(CreateArgs),
}

/// Create an admin account
///
/// Asks for the password if none is given.
#[derive(Args)]
pub struct CreateArgs {
    /// The e-mail address to sign in with
    #[arg(long)]
    email: String,
    /// The username, which can also be used to sign in [default: the part of the e-mail address before the @]
    #[arg(long)]
    username: Option<String>,
    /// 8 to 128 characters. Other users of this machine may see it in `ps`, and your shell stores it in its history
    #[arg(long, conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
}

pub async fn run(AdminCommand::Create(args): AdminCommand, settings: &SettingArgs) -> anyhow::Result<()> {
    let shop = open(programs::init(settings)?).await?;
    let password = match args.password {
        Some(password) => password,
        None => read_password(args.password_stdin)?,
    };
    accounts::check_credentials(&args.email, args.username.as_deref(), &password)?;
    let username = create(&shop, args.email, args.username, password).await?;
    shop.db.close().await;
    print_line(format!("created the admin {username}"))
}

fn read_password(unasked: bool) -> anyhow::Result<String> {
    if !unasked && io::stdin().is_terminal() {
        eprintln!("Type the password and press Enter. It is shown on the screen:");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("the password cannot be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn create(shop: &Shop, email: String, username: Option<String>, password: String) -> anyhow::Result<String> {
    let password_hash = shop.get::<Passwords>().hash(password).await?;
    let new = NewUser {
        email: email.clone(),
        username,
        password_hash,
        role: Role::Admin,
        first_name: String::new(),
        last_name: String::new(),
        phone_number: String::new(),
        address: String::new(),
    };
    let mut tx = shop.db.write().await?;
    let admin = accounts::register(&mut tx, new, shop.now()).await.map_err(|error| match error {
        accounts::Error::EmailTaken => anyhow!("{email} already has an account; nothing was changed"),
        error => error.into(),
    })?;
    tx.commit().await?;
    Ok(admin.username)
}
