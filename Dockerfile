# docker build -t rotnet .
# docker run --rm -v "$PWD:/photos" rotnet correct holiday/ -o straight/

# the Python with which the tests passed in the versions of constraints.txt
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/rotnet \
    && /opt/rotnet/bin/python -m pip install --no-cache-dir --disable-pip-version-check -c constraints.txt '.[heif,watch]'

FROM python:3.11-slim
COPY --from=build /opt/rotnet /opt/rotnet
# nothing is written outside of /photos, so that the container may be read-only: what is recorded of a run lies in a hidden
# folder there, where the next container finds it for --resume
ENV PATH=/opt/rotnet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 XDG_STATE_HOME=/photos/.rotnet
WORKDIR /photos
# not root; the results belong to the first user of most Linux machines. Others say --user "$(id -u):$(id -g)"
USER 1000:1000
ENTRYPOINT ["rotnet"]
CMD ["--help"]
