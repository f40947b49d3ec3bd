//! How Ringmaster is built. `zig build --list-steps` prints the first table, `zig build --help` the options.
//!
//! Every folder of src/ is one static library and may use the folders to its left (docs/ARCHITECTURE.md); every .c file in a folder
//! belongs to it, so the folder is the list. Tests and benches are one program per file.
const std = @import("std");

const zig_pinned = "0.16.0";

comptime {
    if (!std.mem.eql(u8, @import("builtin").zig_version_string, zig_pinned))
        @compileError("Ringmaster is built with Zig " ++ zig_pinned ++ " (./run and ./test install it from PyPI: ziglang==" ++ zig_pinned ++ ")");
}

/// Named, not found out: the C library's headers then come with Zig, whether this machine has a compiler of its own or not.
const debian: std.Target.Query = .{ .cpu_arch = @import("builtin").cpu.arch, .os_tag = .linux, .abi = .gnu, .glibc_version = .{ .major = 2, .minor = 36, .patch = 0 } };
const multiarch = @tagName(@import("builtin").cpu.arch) ++ "-linux-gnu";

/// name, what it may use (in link order), and the system libraries it brings.
const Folder = struct { name: []const u8, uses: []const []const u8 = &.{}, system: []const []const u8 = &.{} };
const folders = [_]Folder{
    .{ .name = "base", .system = &.{ "yyjson", "crypto", "icui18n", "icuuc" } },
    .{ .name = "io", .uses = &.{"base"}, .system = &.{"uring"} },
    .{ .name = "shard", .uses = &.{ "io", "base" } },
    .{ .name = "net", .uses = &.{ "shard", "io", "base" }, .system = &.{ "llhttp", "mbedtls", "mbedx509", "mbedcrypto" } },
    .{ .name = "journal", .uses = &.{ "shard", "io", "base" } },
    .{ .name = "db", .uses = &.{ "shard", "io", "base" }, .system = &.{"pq"} },
    .{ .name = "guard", .uses = &.{"base"} },
    .{ .name = "tenant", .uses = &.{ "db", "shard", "io", "base" } },
    .{ .name = "retell", .uses = &.{ "tenant", "db", "shard", "io", "base" } },
    .{ .name = "calcom", .uses = &.{ "tenant", "guard", "db", "net", "shard", "io", "base" } },
    .{ .name = "calendar", .uses = &.{ "calcom", "tenant", "guard", "db", "net", "shard", "io", "base" } },
    .{ .name = "call", .uses = &.{ "calendar", "calcom", "retell", "tenant", "guard", "db", "journal", "net", "shard", "io", "base" } },
    .{ .name = "webhook", .uses = &.{ "call", "calendar", "calcom", "retell", "tenant", "guard", "db", "journal", "net", "shard", "io", "base" } },
    .{ .name = "ops", .uses = &.{ "webhook", "call", "calendar", "calcom", "retell", "tenant", "guard", "db", "journal", "net", "shard", "io", "base" } },
    .{ .name = "sim", .uses = &.{ "retell", "db", "net", "shard", "io", "base" } },
};

const static_libraries = [_][]const u8{ "uring", "llhttp", "mbedtls", "mbedx509", "mbedcrypto" };

const warnings = [_][]const u8{
    "-std=gnu23",         "-D_GNU_SOURCE",        "-Wall",   "-Wextra",   "-Werror",
    "-Wswitch-enum",      "-Wshadow",             "-Wvla",   "-Wwrite-strings", "-Wimplicit-fallthrough",
    "-Wmissing-prototypes", "-Wstrict-prototypes", "-fno-omit-frame-pointer",
};

/// Our headers are found by #include "…" alone, so that limits.h does not stand before the C library's.
fn flags(b: *std.Build) []const []const u8 {
    const found = [_][]const u8{ "-iquote", b.pathFromRoot("src"), "-iquote", b.pathFromRoot(".") };
    return std.mem.concat(b.allocator, []const u8, &.{ &warnings, &found }) catch @panic("OOM");
}

const Libraries = std.StringHashMap(*std.Build.Step.Compile);

pub fn build(b: *std.Build) void {
    const steps = .{
        .check = b.step("check", "Compile everything, link nothing"),
        .run = b.step("run", "The whole world: PostgreSQL, simulators, engine, one call (./run)"),
        .@"test" = b.step("test", "Every test: unit, interleave, model, fuzz, tidy, e2e (./test)"),
        .unit = b.step("unit", "Pure and module tests, one program per file of tests/unit"),
        .interleave = b.step("interleave", "What crosses threads, under ThreadSanitizer"),
        .model = b.step("model", "The wake-up protocol in spin, with its injected bugs"),
        .fuzz = b.step("fuzz", "Every parser of outside bytes, a short run each under ASan and UBSan"),
        .tidy = b.step("tidy", "Layers, function lengths, banned calls, headers that compile alone"),
        .e2e = b.step("e2e", "Real binaries, real PostgreSQL, official clients"),
        .crash = b.step("crash", "kill -9 under load, the long version (crash -- SECONDS)"),
        .simulate = b.step("simulate", "Worlds by their seeds (simulate -- --seed N [--worlds M] [--minutes K] [--trace])"),
        .planted = b.step("planted", "Are the checkers any good? Worlds with a bug planted in each (planted -- --only NAME)"),
        .soak = b.step("soak", "The long run: worlds, fuzzers and kill -9 on all cores (soak -- --hours H)"),
        .bench = b.step("bench", "Build and run every program of bench/"),
        .coverage = b.step("coverage", "Which lines of src/ the tests run, by folder, and a report of those that nothing runs"),
        .test_programs = b.step("test-programs", "Build the unit tests and benches without running them"),
    };
    const target = b.standardTargetOptions(.{ .default_target = debian });
    const optimize = b.standardOptimizeOption(.{});
    const sanitize = b.option(bool, "sanitize", "UBSan in our own code (default: in Debug)") orelse (optimize == .Debug);
    const lto = b.option(bool, "lto", "Optimise across files, while linking: for a release that stays (default: no)") orelse false;
    const options = Options{ .target = target, .optimize = optimize, .sanitize = sanitize, .lto = if (lto) .full else .none };

    var libraries = Libraries.init(b.allocator);
    inline for (folders) |folder| {
        const library = buildFolder(b, options, folder);
        libraries.put(folder.name, library) catch @panic("OOM");
        steps.check.dependOn(&library.step);
    }

    // zig build && zig-out/bin/ringmaster serve
    buildProgram(b, options, &libraries, "ringmaster", sourcesIn(b, "src"), "ops");
    buildProgram(b, options, &libraries, "ringsim", &.{"src/sim/main/ringsim.c"}, "sim");
    if (exists(b, "bench/ringload/ringload.c")) buildProgram(b, options, &libraries, "ringload", sourcesIn(b, "bench/ringload"), "sim");

    for (programsUnder(b, "tests/unit", "_test.c")) |source| {
        const folder = std.fs.path.basename(std.fs.path.dirname(source).?);
        const program = buildTool(b, options, &libraries, source, folder);
        program.root_module.linkSystemLibrary("cmocka", .{ .use_pkg_config = .no });
        installTool(b, steps.test_programs, program, b.fmt("tests/{s}", .{folder}));
    }
    for (programsUnder(b, "bench", "_bench.c")) |source| {
        installTool(b, steps.test_programs, buildTool(b, options, &libraries, source, "ops"), "bench");
    }
    installTool(b, steps.test_programs, instantEngine(b, options, &libraries), "bench");
    installTool(b, steps.test_programs, slowEngine(b, options, &libraries), "bench");
    installTool(b, steps.test_programs, ingestEngine(b, options, &libraries), "bench");
    installTool(b, steps.test_programs, linkProgram(b, options, &libraries, "bare_server", sourcesIn(b, "bench/bare_server"), "ops"), "bench");
    if (exists(b, "bench/whole_calls/postgres_alone.c")) installTool(b, steps.test_programs, buildTool(b, options, &libraries, "bench/whole_calls/postgres_alone.c", "ops"), "bench");

    // The programs above are what the runner runs; it knows how to count, and closes with "N passed, N failed".
    inline for (.{ "unit", "interleave", "model", "fuzz", "tidy", "e2e", "crash", "bench" }) |kind| {
        const runner = command(b, &.{ "/usr/bin/python3", "tests/runner.py", kind });
        runner.step.dependOn(steps.test_programs);
        runner.step.dependOn(b.getInstallStep());
        @field(steps, kind).dependOn(&runner.step);
    }
    steps.simulate.dependOn(&command(b, &.{ "/usr/bin/python3", "tests/simulation/build.py", "--run" }).step); // as coverage
    steps.planted.dependOn(&command(b, &.{ "/usr/bin/python3", "tests/simulation/planted.py" }).step);
    const soak = command(b, &.{ "/usr/bin/python3", "tests/soak.py" });
    soak.step.dependOn(b.getInstallStep()); // the daemon that is killed
    steps.soak.dependOn(&soak.step);
    steps.coverage.dependOn(&command(b, &.{ "/usr/bin/python3", "tests/coverage.py" }).step); // builds what it needs, with clang
    steps.@"test".dependOn(&command(b, &.{"./test"}).step);
    steps.run.dependOn(&command(b, &.{"./run"}).step);
}

const Options = struct { target: std.Build.ResolvedTarget, optimize: std.builtin.OptimizeMode, sanitize: bool, lto: std.zig.LtoMode };

fn newModule(b: *std.Build, options: Options) *std.Build.Module {
    const module = b.createModule(.{
        .target = options.target,
        .optimize = options.optimize,
        .link_libc = true,
        .sanitize_c = if (options.sanitize) .full else .off,
    });
    module.addAfterIncludePath(.{ .cwd_relative = "/usr/include" });
    module.addAfterIncludePath(.{ .cwd_relative = "/usr/include/" ++ multiarch });
    module.addLibraryPath(.{ .cwd_relative = "/usr/lib/" ++ multiarch });
    return module;
}

fn buildFolder(b: *std.Build, options: Options, folder: Folder) *std.Build.Step.Compile {
    const module = newModule(b, options);
    module.addCSourceFiles(.{ .files = sourcesIn(b, b.fmt("src/{s}", .{folder.name})), .flags = flags(b) });
    const library = b.addLibrary(.{ .linkage = .static, .name = b.fmt("ringmaster-{s}", .{folder.name}), .root_module = module });
    library.lto = options.lto;
    return library;
}

/// Links a folder with everything it uses; a static library stands before what it needs.
fn linkFolder(module: *std.Build.Module, libraries: *Libraries, name: []const u8) void {
    const wanted = find(name);
    module.linkLibrary(libraries.get(name).?);
    for (wanted.uses) |used| module.linkLibrary(libraries.get(used).?);
    for (wanted.system) |system| linkSystem(module, system);
    for (wanted.uses) |used| for (find(used).system) |system| linkSystem(module, system);
}

fn linkSystem(module: *std.Build.Module, name: []const u8) void {
    const static = for (static_libraries) |s| {
        if (std.mem.eql(u8, s, name)) break true;
    } else false;
    module.linkSystemLibrary(name, .{ .use_pkg_config = .no, .preferred_link_mode = if (static) .static else .dynamic });
}

fn find(name: []const u8) Folder {
    for (folders) |folder| if (std.mem.eql(u8, folder.name, name)) return folder;
    std.debug.panic("build.zig: no folder src/{s}", .{name});
}

fn buildProgram(b: *std.Build, options: Options, libraries: *Libraries, name: []const u8, sources: []const []const u8, folder: []const u8) void {
    b.installArtifact(linkProgram(b, options, libraries, name, sources, folder));
}

fn linkProgram(b: *std.Build, options: Options, libraries: *Libraries, name: []const u8, sources: []const []const u8, folder: []const u8) *std.Build.Step.Compile {
    const module = newModule(b, options);
    module.addCSourceFiles(.{ .files = sources, .flags = flags(b) });
    linkFolder(module, libraries, folder);
    return newProgram(b, options, name, module);
}

/// With the C library's memcpy and its like, which know this processor, in place of Zig's portable ones. What is then missing, dividing 128 bits (mbedTLS does), is in
/// libgcc_s, which ICU brings into every process anyway.
fn newProgram(b: *std.Build, options: Options, name: []const u8, module: *std.Build.Module) *std.Build.Step.Compile {
    module.addObjectFile(.{ .cwd_relative = "/usr/lib/" ++ multiarch ++ "/libgcc_s.so.1" });
    const program = b.addExecutable(.{ .name = name, .root_module = module });
    program.bundle_compiler_rt = false;
    program.lto = options.lto;
    return program;
}

/// The engine with a database that says yes at once: see bench/ingest/instant_db.c.
fn instantEngine(b: *std.Build, options: Options, libraries: *Libraries) *std.Build.Step.Compile {
    const module = newModule(b, options);
    addEngineOnSlowDisk(b, module);
    module.addCSourceFiles(.{ .files = &.{
        "bench/ingest/instant_db.c", "src/db/admin.c", "src/db/confinement.c", "src/db/migrate.c", "src/db/sqlstate.c", "src/db/statements.c", "src/db/steady.c", "src/db/unit.c", "src/db/user.c",
    }, .flags = flags(b) });
    linkAllBut("db", module, libraries);
    return newProgram(b, options, "ringmaster-instant", module);
}

/// The engine as it is, with a journal that can be told to be slow.
fn slowEngine(b: *std.Build, options: Options, libraries: *Libraries) *std.Build.Step.Compile {
    const module = newModule(b, options);
    addEngineOnSlowDisk(b, module);
    linkFolder(module, libraries, "ops");
    return newProgram(b, options, "ringmaster-slow", module);
}

/// The engine up to the durable 2xx: see bench/ingest/filed_at_once.c.
fn ingestEngine(b: *std.Build, options: Options, libraries: *Libraries) *std.Build.Step.Compile {
    const module = newModule(b, options);
    addEngineOnSlowDisk(b, module);
    module.addCSourceFiles(.{ .files = sourcesIn(b, "src/webhook"), .flags = with(b, "-Dcall_post=bench_call_post") });
    module.addCSourceFiles(.{ .files = &.{"bench/ingest/filed_at_once.c"}, .flags = flags(b) });
    linkAllBut("webhook", module, libraries);
    return newProgram(b, options, "ringmaster-ingest", module);
}

/// All that the engine links, but for one folder, whose sources the module has itself.
fn linkAllBut(folder: []const u8, module: *std.Build.Module, libraries: *Libraries) void {
    module.linkLibrary(libraries.get("ops").?);
    for (find("ops").uses) |used| {
        if (!std.mem.eql(u8, used, folder)) module.linkLibrary(libraries.get(used).?);
        for (find(used).system) |system| linkSystem(module, system);
    }
}

/// See bench/ingest/slow_journal.c, which alone sees journal_open by its own name.
fn addEngineOnSlowDisk(b: *std.Build, module: *std.Build.Module) void {
    module.addCSourceFiles(.{ .files = sourcesIn(b, "src"), .flags = with(b, "-Djournal_open=bench_journal_open") });
    module.addCSourceFiles(.{ .files = &.{"bench/ingest/slow_journal.c"}, .flags = flags(b) });
}

fn with(b: *std.Build, flag: []const u8) []const []const u8 {
    return std.mem.concat(b.allocator, []const u8, &.{ flags(b), &.{flag} }) catch @panic("OOM");
}

fn buildTool(b: *std.Build, options: Options, libraries: *Libraries, source: []const u8, folder: []const u8) *std.Build.Step.Compile {
    return linkProgram(b, options, libraries, std.fs.path.stem(source), &.{source}, folder);
}

fn installTool(b: *std.Build, step: *std.Build.Step, program: *std.Build.Step.Compile, directory: []const u8) void {
    const install = b.addInstallArtifact(program, .{ .dest_dir = .{ .override = .{ .custom = directory } } });
    step.dependOn(&install.step);
}

fn command(b: *std.Build, arguments: []const []const u8) *std.Build.Step.Run {
    const run = b.addSystemCommand(arguments);
    run.setCwd(b.path(""));
    if (b.args) |args| run.addArgs(args);
    run.has_side_effects = true;
    run.stdio = .inherit;
    return run;
}

fn exists(b: *std.Build, path: []const u8) bool {
    b.build_root.handle.access(b.graph.io, path, .{}) catch return false;
    return true;
}

/// The .c files of one folder, sorted, without those of its sub-folders.
fn sourcesIn(b: *std.Build, folder: []const u8) []const []const u8 {
    var files: std.ArrayList([]const u8) = .empty;
    var directory = b.build_root.handle.openDir(b.graph.io, folder, .{ .iterate = true }) catch return &.{};
    defer directory.close(b.graph.io);
    var entries = directory.iterate();
    while (entries.next(b.graph.io) catch @panic("cannot read a source folder")) |entry| {
        if (entry.kind == .file and std.mem.endsWith(u8, entry.name, ".c"))
            files.append(b.allocator, b.pathJoin(&.{ folder, entry.name })) catch @panic("OOM");
    }
    std.mem.sort([]const u8, files.items, {}, before);
    return files.items;
}

/// The programs of a folder and of its sub-folders, one level down.
fn programsUnder(b: *std.Build, folder: []const u8, suffix: []const u8) []const []const u8 {
    var found: std.ArrayList([]const u8) = .empty;
    var directory = b.build_root.handle.openDir(b.graph.io, folder, .{ .iterate = true }) catch return &.{};
    defer directory.close(b.graph.io);
    var entries = directory.iterate();
    while (entries.next(b.graph.io) catch @panic("cannot read a test folder")) |entry| {
        if (entry.kind == .file and std.mem.endsWith(u8, entry.name, suffix))
            found.append(b.allocator, b.pathJoin(&.{ folder, entry.name })) catch @panic("OOM");
        if (entry.kind == .directory) for (programsUnder(b, b.pathJoin(&.{ folder, entry.name }), suffix)) |path|
            found.append(b.allocator, path) catch @panic("OOM");
    }
    std.mem.sort([]const u8, found.items, {}, before);
    return found.items;
}

fn before(_: void, a: []const u8, z: []const u8) bool {
    return std.mem.lessThan(u8, a, z);
}
