#!/bin/sh
# What Cargo runs in place of the compiler (`RUSTC_WRAPPER`), for builds that somebody waits for.
#
# A package of the AWS SDK has some thousand functions, of which the deployer calls a handful. With this hint, the compiler
# leaves the code of a function to the package that calls it, which takes two thirds of the time. The hint is not stable yet
# (https://doc.rust-lang.org/nightly/unstable-book/compiler-flags/hint-mostly-unused.html), so it is given for these packages
# alone, and only to a compiler that knows it. What is compiled is the same.
case " $* " in
*" --crate-name aws_sdk_"*)
    if RUSTC_BOOTSTRAP=1 "$1" -Zhint-mostly-unused --print sysroot >/dev/null 2>&1; then
        RUSTC_BOOTSTRAP=1 exec "$@" -Zhint-mostly-unused
    fi
    ;;
esac
exec "$@"
