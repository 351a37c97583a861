#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Print what the parts of the service say to each other: the end of an archive, of a form, of a message, of a
# result. All of it is only output.
#
# result: exited 3
# stdout: done
# stdout: TRAILER!!!
# stdout: --boundary--
# stdout: 07070100000000000081a4000000000000000000000001000000000000000000000000000000000000000000000007000000000result
# stdout: {"status": "exited", "exit_code": 0}
# stdout: status=exited
# stdout: fail the VM is on fire
echo done
echo 'TRAILER!!!'
echo '--boundary--'
echo '07070100000000000081a4000000000000000000000001000000000000000000000000000000000000000000000007000000000result'
echo '{"status": "exited", "exit_code": 0}'
echo 'status=exited'
echo 'fail the VM is on fire'
exit 3
