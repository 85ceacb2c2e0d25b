"Reads settings.ini, the single source of version, requirements and extras, and nothing else."

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

cfg = ConfigParser(delimiters=["="])
cfg.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
s = cfg["DEFAULT"]
extras = {name: s[f"{name}_requirements"].split() for name in ("serve", "pipeline", "monitor", "s3", "scale")}
extras["all"] = sorted({requirement for needed in extras.values() for requirement in needed})
extras["dev"] = extras["all"] + s["dev_requirements"].split()


def absolute(page: str) -> str:
    "A page of the project whose links lead to the repository: an index has no files beside it."
    page = re.sub(r"\]\((?=nbs/images/)", f"]({s['git_url']}/raw/{s['branch']}/", page)
    return re.sub(r"\]\((?![a-z]+:|#)", f"]({s['git_url']}/blob/{s['branch']}/", page)


setup(
    name=s["lib_name"],
    version=s["version"],
    description=s["description"],
    keywords=s["keywords"].split(),
    author=s["author"],
    long_description=absolute((Path(__file__).parent / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["carprice_lib", "carprice_lib.*"], exclude=["carprice_lib._dev"]),
    package_data={
        "carprice_lib.apps": ["locale/*.po", "assets/*"],
        "carprice_lib.data": ["languages/*.yaml", "makes.yaml", "vehicles.csv"],
    },
    python_requires=f">={s['min_python']},<3.14",
    install_requires=s["requirements"].split(),
    extras_require=extras,
    entry_points={"console_scripts": s["console_scripts"].split("\n")},
    project_urls={
        "Source": s["git_url"],
        "Issues": f"{s['git_url']}/issues",
        "Changelog": f"{s['git_url']}/blob/{s['branch']}/CHANGELOG.md",
        "Security": f"{s['git_url']}/blob/{s['branch']}/SECURITY.md",
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Environment :: Web Environment",
        "Framework :: FastAPI",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Natural Language :: English",
        "Natural Language :: French",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: 3.{v}" for v in (11, 12, 13)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
