"""What the shell completes, asked of the shell itself where there is one."""

import shutil
import subprocess

import pytest

from rotnet.cli.completion import SHELLS
from rotnet.cli.main import COMMANDS, main

# how each shell's script declares a command
DECLARED = {"zsh": "\n    {}:'", "fish": " -a {} -d "}


def script(shell, capsys):
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_script_knows_commands_and_options(shell, capsys):
    text = script(shell, capsys)
    if shell == "bash":
        assert text.partition("_shtab_rotnet_subparsers=(")[2].partition(")")[0].split() == list(COMMANDS)
    else:
        assert not [name for name in COMMANDS if DECLARED[shell].format(name) not in text]
    assert all(option in text for option in ("min-confidence", "settle", "inscribed"))


@pytest.mark.parametrize("shell", SHELLS)
def test_shell_understands_its_script(shell, capsys, tmp_path):
    text = script(shell, capsys)
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(text)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True, timeout=60)


def completed(text, *words, folder):
    """What bash offers for the last word."""
    line = " ".join(words)
    quoted = " ".join(f"'{word}'" for word in words)
    asked = f"""{text}
COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}
$(complete -p rotnet | sed 's/.*-F \\([^ ]*\\) .*/\\1/') rotnet '{words[-1]}' '{words[-2]}'
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    bash = ["bash", "--norc", "-c", asked]
    answer = subprocess.run(bash, cwd=folder, capture_output=True, text=True, timeout=60)
    return [word.strip() for word in answer.stdout.splitlines()]


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes(tmp_path, capsys):
    text = script("bash", capsys)
    (tmp_path / "model.onnx").touch()
    (tmp_path / "photos").mkdir()
    assert completed(text, "rotnet", "cor", folder=tmp_path) == ["correct"]
    assert set(completed(text, "rotnet", "", folder=tmp_path)) >= set(COMMANDS)
    assert completed(text, "rotnet", "correct", "--min", folder=tmp_path) == ["--min-confidence"]
    assert "expand" in completed(text, "rotnet", "correct", "--crop", "e", folder=tmp_path)
    assert "model.onnx" in completed(text, "rotnet", "check", "--model", "mod", folder=tmp_path)
    for words in (("check", "--model"), ("export",), ("train", "photos", "in", "--from")):
        offered = completed(text, "rotnet", *words, "pho", folder=tmp_path)
        assert {"photo", "photo_int8"} <= set(offered) and any("photos" in word for word in offered), words
    assert completed(text, "rotnet", "train", "photos", "in", "--from", "imagen", folder=tmp_path) == ["imagenet"]
    assert any("photos" in word for word in completed(text, "rotnet", "check", "ph", folder=tmp_path))


def test_unknown_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["completion", "tcl"])
    assert ended.value.code == 2 and "invalid choice" in capsys.readouterr().err
