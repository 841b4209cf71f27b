const input = document.querySelector('input');
const links = [...document.querySelectorAll('nav a')];
input.addEventListener('input', () => {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const link of links) {
    const section = document.getElementById(link.hash.slice(1));
    const text = section.textContent.toLowerCase();
    const found = words.every((word) => text.includes(word));
    link.hidden = section.hidden = !found;
  }
});
