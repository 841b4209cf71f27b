-- A session of Neovim with `deployer lsp`: an editor that somebody else wrote, as a client. `make editor` runs it:
--   DEPLOYER=target/debug/deployer nvim --headless --clean -c 'luafile tools/editor.lua'
-- It exits with 1 and the reason if something is not as expected.

local function fail(message)
  io.stderr:write('editor.lua: ' .. message .. '\n')
  vim.cmd('cquit 1')
end

local function check(condition, message)
  if not condition then
    fail(message)
  end
end

local folder = vim.fn.tempname()
vim.fn.mkdir(folder, 'p')
local path = folder .. '/stack.yaml'
vim.fn.writefile({
  'name: shop # 🦀',
  'stacks: { local: { target: local } }',
  'resources:',
  '  events: { type: bus }',
  '  tally: { type: table, properties: { key: { object: string, part: string } } }',
  '  observe:',
  '    type: function',
  '    properties:',
  '      worker: observe',
  '      triggers: [{ bus: "${event}", event: any }]',
  '      access: [{ tally: "${tally}" }, { publish: "${events}" }]',
  'outputs:',
  '  text: "🦀 ${tally.name}"',
}, path)
vim.cmd('edit ' .. path)
local buffer = vim.api.nvim_get_current_buf()

local config = {
  name = 'deployer',
  cmd = { vim.fn.fnamemodify(vim.env.DEPLOYER or 'deployer', ':p'), 'lsp' },
  root_dir = folder,
}
local id
if vim.lsp.start then
  id = vim.lsp.start(config, { bufnr = buffer })
else
  -- Before Neovim 0.8.
  id = vim.lsp.start_client(config)
  vim.lsp.buf_attach_client(buffer, id)
end
check(id, 'the server does not start')

local function wait(what, condition)
  check(vim.wait(20000, condition, 20), 'waited in vain for ' .. what)
end

local function problems()
  return vim.diagnostic.get(buffer)
end

local function ask(method, params)
  local answers, reason = vim.lsp.buf_request_sync(buffer, method, params, 20000)
  check(answers, method .. ': ' .. tostring(reason))
  local answer = answers[id] or {}
  return answer.result, answer.error
end

-- Parameters for the place after the first occurrence of a text.
local function place(text)
  for number, line in ipairs(vim.api.nvim_buf_get_lines(buffer, 0, -1, true)) do
    local _, last = line:find(text, 1, true)
    if last then
      local character = vim.str_utfindex(line, last)
      local _, utf16 = vim.str_utfindex(line, last)
      return {
        textDocument = { uri = vim.uri_from_bufnr(buffer) },
        position = { line = number - 1, character = utf16 or character },
      }
    end
  end
  fail('there is no ' .. text)
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, true), '\n')
end

-- The problem, and its fix.
wait('the problem', function() return #problems() == 1 end)
local problem = problems()[1]
check(problem.code == 'E0203', 'not the problem that was expected: ' .. vim.inspect(problem))
check(problem.lnum == 9, 'not on the line that was expected: ' .. vim.inspect(problem))
local at = place('${eve')
local actions = ask('textDocument/codeAction', {
  textDocument = at.textDocument,
  range = { start = at.position, ['end'] = at.position },
  context = { diagnostics = {} },
})
check(actions and #actions == 1, 'not one fix: ' .. vim.inspect(actions))
vim.lsp.util.apply_workspace_edit(actions[1].edit, 'utf-16')
check(text():find('bus: "${events}"', 1, true), 'the fix changed something else:\n' .. text())
wait('the end of the problem', function() return #problems() == 0 end)

-- Documentation, definition and references, on a line with a character of two UTF-16 units.
local hover = ask('textDocument/hover', place('🦀 ${tally.na'))
check(hover and hover.contents.value:find('table name', 1, true), 'no documentation: ' .. vim.inspect(hover))
local definition = ask('textDocument/definition', place('🦀 ${tal'))
check(definition and definition.range.start.line == 4, 'another definition: ' .. vim.inspect(definition))

-- A rename, with the warning that logical IDs change.
local warned = nil
vim.lsp.handlers['window/showMessage'] = function(_, message) warned = message.message end
local rename = place('🦀 ${tal')
rename.newName = 'ledger'
local edit, refused = ask('textDocument/rename', rename)
check(edit, 'no rename: ' .. vim.inspect(refused))
vim.lsp.util.apply_workspace_edit(edit, 'utf-16')
check(not text():find('${tally', 1, true) and text():find('🦀 ${ledger.name}', 1, true), 'renamed otherwise:\n' .. text())
wait('the warning', function() return warned and warned:find('Tally', 1, true) end)

-- A key is typed, and completed as Neovim does it.
vim.api.nvim_buf_set_lines(buffer, 10, 10, true, { '      memo' })
vim.api.nvim_win_set_cursor(0, { 11, 10 })
local items = ask('textDocument/completion', place('      memo'))
local found = vim.tbl_filter(function(item) return item.label == 'memory' end, items.items)
check(#found == 1, 'no completion: ' .. vim.inspect(items))
vim.lsp.util.apply_text_edits({ found[1].textEdit }, buffer, 'utf-16')
check(text():find('\n      memory: \n', 1, true), 'completed otherwise:\n' .. text())
vim.api.nvim_buf_set_lines(buffer, 10, 11, true, { '      memory: 512MiB' })
wait('the check of the new text', function() return #problems() == 0 end)

vim.lsp.stop_client(id)
wait('the end of the server', function() return vim.lsp.client_is_stopped(id) end)
vim.fn.delete(folder, 'rf')
print('editor.lua: Neovim ' .. tostring(vim.version().major) .. '.' .. tostring(vim.version().minor) .. ' and `deployer lsp` agree\n')
vim.cmd('qall!')
