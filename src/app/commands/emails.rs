//! `cartwright emails`. It needs no database: what is rendered is example data.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use platform::mail::{self, Email};

use crate::{
    app::settings::SettingArgs,
    shop::emails::{FILES, Template, Templates},
};
use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::print_line;

#[derive(Subcommand)]
pub enum EmailsCommand {
    /// List the shop's e-mails, when they are sent, and which `TEMPLATES_DIR` replaces
    List,
    Render(RenderArgs),
    /// Write the built-in templates to a folder, as a starting point
    ///
    /// Keep the files that you change and delete the others: for missing files the built-in templates are used, which are
    /// updated with each new version. Existing files are never overwritten.
    Export {
        /// The folder; created if it does not exist
        folder: PathBuf,
    },
}

/// Render e-mails with example data, and check templates
///
/// Uses the templates of `TEMPLATES_DIR` if it is set. If templates have errors, prints one line for each, with file and
/// line, and exits with status 1.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cartwright emails render order_shipped --format html > shipped.html
  cartwright emails render --out /tmp/emails --templates-dir ./emails")]
pub struct RenderArgs {
    /// A name from `cartwright emails list` [default: all]
    name: Option<String>,
    /// The output format; eml files can be opened by mail programs
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write NAME.txt, NAME.html and NAME.eml to this folder, created if needed, instead of printing
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Html,
    Eml,
}

pub fn run(command: EmailsCommand, settings: &SettingArgs) -> anyhow::Result<()> {
    match command {
        EmailsCommand::List => list(settings),
        EmailsCommand::Render(args) => render(&args, settings),
        EmailsCommand::Export { folder } => export(&folder),
    }
}

fn list(settings: &SettingArgs) -> anyhow::Result<()> {
    let templates = templates(settings)?;
    for template in Template::ALL {
        let origin = if templates.is_custom(*template) { "yours" } else { "built in" };
        print_line(format!("{:20}  {origin:8}  when {}", template.name(), template.when()))?;
    }
    Ok(())
}

fn render(args: &RenderArgs, settings: &SettingArgs) -> anyhow::Result<()> {
    let selected = match &args.name {
        Some(name) => vec![find_template(name)?],
        None => Template::ALL.to_vec(),
    };
    let templates = templates(settings)?;
    let emails = selected
        .iter()
        .map(|template| render_example(&templates, *template, settings))
        .collect::<Result<Vec<_>, _>>()?;
    match &args.out {
        Some(folder) => write(folder, &selected, &emails, settings),
        None => print(args.format, &emails, settings),
    }
}

fn find_template(name: &str) -> anyhow::Result<Template> {
    let found = Template::ALL.iter().find(|template| template.name() == name);
    found.copied().with_context(|| {
        let names: Vec<&str> = Template::ALL.iter().map(|template| template.name()).collect();
        format!("there is no e-mail {name}; the e-mails are {}", names.join(", "))
    })
}

/// The templates of the settings.
///
/// # Errors
/// When a template cannot be used, after printing a line for each error.
fn templates(settings: &SettingArgs) -> anyhow::Result<Templates> {
    let (folder, ..) = settings.emails();
    let Some(folder) = folder else { return Ok(Templates::built_in()) };
    let (templates, errors) = Templates::examine(&folder);
    for error in &errors {
        print_line(format!("FAIL  {error}"))?;
    }
    match errors.len() {
        0 => Ok(templates),
        1 => bail!("TEMPLATES_DIR={}: 1 error", folder.display()),
        many => bail!("TEMPLATES_DIR={}: {many} errors", folder.display()),
    }
}

fn render_example(templates: &Templates, template: Template, settings: &SettingArgs) -> anyhow::Result<Email> {
    let (_, store_name, _) = settings.emails();
    let mut example = template.example();
    example["store_name"] = store_name.into();
    let id = format!("<{}@shop.example>", template.name());
    Ok(templates.email(template, &example, ("ada@example.com", "Ada Lovelace"), id)?)
}

fn print(format: Format, emails: &[Email], settings: &SettingArgs) -> anyhow::Result<()> {
    for email in emails {
        match format {
            Format::Text => print_line(format!("Subject: {}\n\n{}\n", email.subject, email.text))?,
            Format::Html => print_line(&email.html)?,
            Format::Eml => std::io::stdout().write_all(&eml(email, settings)?)?,
        }
    }
    Ok(())
}

fn write(folder: &Path, templates: &[Template], emails: &[Email], settings: &SettingArgs) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    for (template, email) in templates.iter().zip(emails) {
        let text = format!("Subject: {}\n\n{}\n", email.subject, email.text);
        for (ending, content) in
            [("txt", text.into_bytes()), ("html", email.html.clone().into_bytes()), ("eml", eml(email, settings)?)]
        {
            let file = folder.join(format!("{}.{ending}", template.name()));
            fs::write(&file, content).with_context(|| format!("{} cannot be written", file.display()))?;
        }
        print_line(format!("{:20}  {}", template.name(), email.subject))?;
    }
    Ok(())
}

fn eml(email: &Email, settings: &SettingArgs) -> anyhow::Result<Vec<u8>> {
    let (.., from) = settings.emails();
    mail::eml(from, email)
}

fn export(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    let existing: Vec<&str> = FILES.iter().map(|(name, _)| *name).filter(|name| folder.join(name).exists()).collect();
    if !existing.is_empty() {
        return Err(anyhow!("{} already has {}; nothing was written", folder.display(), existing.join(", ")));
    }
    for (name, source) in FILES {
        let file = folder.join(name);
        fs::write(&file, source).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    print_line(format!("wrote {} files to {}", FILES.len(), folder.display()))
}
