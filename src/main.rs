fn main() -> std::process::ExitCode {
    paratox::cli::main()
}
